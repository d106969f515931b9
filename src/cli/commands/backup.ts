/** `backup`: a copy of the server's store. Source: cli §7. */

import { type Command, UsageError } from "../command.ts";

export const backup: Command = {
  name: "backup",
  summary: "Copy the server's store to a file.",
  help: `Usage: kapacitor backup PATH

Writes a consistent copy of everything the server stores to a file.`,
  async run(args, { api, environment }) {
    const [path] = args;
    if (path === undefined || args.length !== 1) throw new UsageError("Must provide file path.");
    const { bytes, headers } = await api.bytes("/storage/backup");
    const total = Number(headers.get("content-length") ?? bytes.length);
    environment.writeFile(path, bytes);
    if (bytes.length !== total) {
      throw new Error(
        `failed to download entire backup, only wrote ${bytes.length} bytes out of a total ${total} bytes.`,
      );
    }
  },
};
