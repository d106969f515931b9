/**
 * `exec`: a new process per event with the event's JSON on its standard input. What it prints is shown only
 * when it fails. The process is killed when the time limit passes.
 */

import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { optionsSchema, textOption, textsOption } from "#alert/options.ts";
import { type Outcome, SENT } from "#alert/outcome.ts";
import { strings } from "#engine/calls.ts";
import { errorMessage } from "#lib/errors.ts";
import { withEventJson } from "./event-json.ts";
import { EXEC_OUTPUT_MAX } from "./limits.ts";
import { defined } from "./tick-options.ts";

const options = optionsSchema({
  prog: textOption("The program, found on the PATH or by its path."),
  args: textsOption("Its arguments."),
});

export const exec = defineHandler<Static<typeof options>>({
  kind: "exec",
  goType: "*alert.ExecHandlerConfig",
  doc: "Runs a program with the event as JSON on its standard input.",
  options,
  external: true,
  tick: {
    property: {
      name: "exec",
      params: ["string"],
      rest: "string",
      doc: "Runs a program for each event.",
      opens: { goType: "*pipeline.ExecHandler", properties: [] },
    },
    optionsOf(call) {
      const [prog, ...args] = strings(call.args);
      return defined({ prog, args: args.length === 0 ? undefined : args });
    },
  },
  check: ({ prog = "" }) => (prog === "" ? "exec handler needs a prog" : undefined),
  open: ({ prog = "", args = [] }) => ({
    send: (delivery, signal) =>
      withEventJson(delivery, (json) => run([prog, ...args], json, signal)),
  }),
});

async function run(
  command: readonly string[],
  input: string,
  signal: AbortSignal,
): Promise<Outcome> {
  try {
    signal.throwIfAborted();
    const child = Bun.spawn([...command], {
      stdin: new TextEncoder().encode(input),
      stdout: "pipe",
      stderr: "pipe",
      signal,
      killSignal: "SIGKILL",
    });
    const [out, errors, code] = await Promise.all([
      readStart(child.stdout),
      readStart(child.stderr),
      child.exited,
    ]);
    if (code === 0) return SENT;
    if (signal.aborted) return { kind: "retry", error: errorMessage(signal.reason) };
    const said = `${out}${errors}`.trim();
    // The program said that it failed; it may be luckier later.
    return { kind: "retry", error: `exec command failed: exit status ${code}, output: ${said}` };
  } catch (error) {
    if (signal.aborted) return { kind: "retry", error: errorMessage(signal.reason) };
    return { kind: "rejected", error: `exec command failed: ${errorMessage(error)}` };
  }
}

/** The beginning of a stream; the rest is read and thrown away, so that the program never blocks. */
async function readStart(stream: ReadableStream<Uint8Array>): Promise<string> {
  const kept: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    if (size < EXEC_OUTPUT_MAX) kept.push(chunk);
    size += chunk.length;
  }
  return new TextDecoder().decode(Buffer.concat(kept).subarray(0, EXEC_OUTPUT_MAX));
}
