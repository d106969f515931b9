/** `backup`: a copy of the server's store. Source: cli §7. */

import { type Command, type CommandContext, UsageError } from "../command.ts";
import type { OutputFile } from "../environment.ts";
import { report } from "../output.ts";
import { Progress } from "../progress.ts";

export const backup: Command = {
  name: "backup",
  summary: "Copy the server's store to a file.",
  help: `Usage: kapacitor backup PATH

Writes a consistent copy of everything the server stores to a file.`,
  json: '{"path", "bytes"}',
  flags: {},
  words: { each: ["file"] },
  run: copyStore,
};

async function copyStore(args: readonly string[], context: CommandContext) {
  const { api, environment } = context;
  const [path] = args;
  if (path === undefined || args.length !== 1) throw new UsageError("Must provide file path.");
  const progress = new Progress(environment, `Backup to ${path}`);
  let written = 0;
  let file: OutputFile | undefined;
  try {
    // Made when the server has answered, so that a refusal does not cost an older copy.
    const { received, total } = await api.download("/storage/backup", (bytes, of) => {
      file ??= environment.createFile(path);
      file.write(bytes);
      written += bytes.length;
      progress.bytes(written, of);
    });
    file ??= environment.createFile(path);
    if (received !== total)
      throw new Error(
        `failed to download entire backup, only wrote ${written} bytes out of a total ${total} bytes.`,
      );
    report(context, { path, bytes: written }, []);
  } finally {
    progress.close();
    file?.close();
  }
}
