/** A command line's surroundings, with everything it prints kept. */

import { readFileSync } from "node:fs";
import {
  type CliEnvironment,
  createFile,
  decodeText,
  fileCall,
  replaceFile,
} from "#cli/environment.ts";
import { runKapacitor } from "#cli/kapacitor.ts";
import { runKapacitorctl } from "#cli/kapacitorctl.ts";

export interface Ran {
  readonly out: string;
  readonly err: string;
  readonly code: number;
}

export interface CliOptions extends Partial<CliEnvironment> {
  readonly url?: string;
  readonly stdin?: string;
  /** Where relative paths begin. */
  readonly folder?: string;
}

/** Runs `kapacitor` or `kapacitorctl` in this process. */
export async function runCli(
  [program = "", ...args]: readonly string[],
  { url = "http://127.0.0.1:1", stdin = "", folder = ".", ...given }: CliOptions = {},
): Promise<Ran> {
  let [out, err] = ["", ""];
  const place = (path: string): string => (path.startsWith("/") ? path : `${folder}/${path}`);
  const environment: CliEnvironment = {
    variables: { KAPACITOR_URL: url },
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    outIsTerminal: false,
    errIsTerminal: false,
    readFile: (path) =>
      decodeText(
        path,
        fileCall(path, () => readFileSync(place(path))),
      ),
    readInput: async () => stdin,
    replaceFile: (path, text) => replaceFile(place(path), text),
    createFile: (path) => createFile(place(path)),
    interrupted: () => AbortSignal.abort(),
    nowMs: () => Date.parse("2026-11-22T06:27:41Z"),
    wait: () => new Promise((done) => setImmediate(done)),
    timeZone: "UTC",
    executable: undefined,
    ...given,
  };
  const main = program === "kapacitorctl" ? runKapacitorctl : runKapacitor;
  const code = await main(args, environment);
  return { out, err, code };
}
