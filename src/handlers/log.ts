/**
 * `log`: one line of JSON per event, appended to a file that is opened for each event, so that log rotation
 * needs no signal. Created with the given mode; the path is absolute.
 */

import { appendFile, type FileHandle, open } from "node:fs/promises";
import { isAbsolute } from "node:path";
import type { Static } from "@sinclair/typebox";
import { defineHandler } from "#alert/handler.ts";
import { intOption, optionsSchema, textOption } from "#alert/options.ts";
import { SENT } from "#alert/outcome.ts";
import { Calls, strings } from "#engine/calls.ts";
import { value } from "#engine/properties.ts";
import { errorMessage } from "#lib/errors.ts";
import { withEventJson } from "./event-json.ts";
import { defined } from "./tick-options.ts";

/** Mode of a new file unless one is given: owner reads and writes. */
const DEFAULT_MODE = 0o600;

const options = optionsSchema({
  path: textOption("Absolute path of the file."),
  mode: intOption("Mode of a new file, decimal (420 = 0644); default 0600."),
});

export const log = defineHandler<Static<typeof options>>({
  kind: "log",
  goType: "*alert.LogHandlerConfig",
  doc: "Appends the event as one line of JSON to a file.",
  options,
  external: true,
  tick: {
    property: {
      name: "log",
      params: ["string"],
      doc: "Appends events to a file.",
      opens: {
        goType: "*pipeline.LogHandler",
        properties: [value("mode", "int", "Mode of a new file; default 0600.")],
      },
    },
    optionsOf: (call) =>
      defined({ path: strings(call.args)[0], mode: new Calls(call.calls).count("mode") }),
  },
  check({ path = "", mode = DEFAULT_MODE }) {
    if (!isAbsolute(path)) return `log path must be absolute: ${path} is not absolute`;
    if (mode < 0 || mode > 0o7777) return `log file mode is out of range: ${mode}`;
    return (mode & 0o200) === 0 ? "log file mode must allow the owner to write" : undefined;
  },
  open({ path = "", mode = DEFAULT_MODE }) {
    return {
      send: (delivery, signal) =>
        withEventJson(delivery, async (line) => {
          let file: FileHandle | undefined;
          try {
            signal.throwIfAborted();
            file = await open(path, "a", mode);
            await appendFile(file, line);
            return SENT;
          } catch (error) {
            return { kind: "retry", error: `cannot write log file: ${errorMessage(error)}` };
          } finally {
            await file?.close();
          }
        }),
    };
  },
});
