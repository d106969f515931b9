/** `user`: users of the API and their permissions. Ours; the original has no command for them. */

import { type JsonRecord, pathPart, text } from "../api.ts";
import { type Command, type CommandContext, UsageError } from "../command.ts";
import { type Flags, readFlags } from "../flags.ts";
import { columnWidth, left, report } from "../output.ts";

const FLAGS = { password: "text", admin: "boolean", permissions: "text" } as const;

export const user: Command = {
  name: "user",
  summary: "List, add, change and remove users of the API.",
  help: `Usage: kapacitor user list [PATTERN]
       kapacitor user add NAME [-password TEXT] [-admin] [-permissions LIST]
       kapacitor user grant NAME [-password TEXT] [-admin] [-permissions LIST]
       kapacitor user remove NAME

Users exist where [auth] is enabled. Only administrators may change them.

Options, behind the name:
  -password TEXT      Better given as KAPACITOR_USER_PASSWORD, which nobody sees in a list of processes.
  -admin              Make an administrator; -admin=false makes a normal user of one.
  -permissions LIST   Comma-separated: api, config_api, write_points, all, none. Replaces all.
                      write_points:DB lets write to the database DB only; several may be given.

Examples:
  $ kapacitor user add bob -permissions api,write_points
  $ kapacitor user grant bob -permissions all`,
  json: 'list: {"users": [{"link", "name", "type", "permissions"}]}',
  flags: FLAGS,
  words: {
    verbs: {
      list: { each: ["users"] },
      add: { each: ["text"] },
      grant: { each: ["users"] },
      remove: { each: ["users"] },
    },
  },
  run: runUser,
};

async function runUser(args: readonly string[], context: CommandContext): Promise<void> {
  const [verb, name, ...rest] = args;
  const { api } = context;
  if (verb === "list") return listUsers(name ?? "", context);
  if (verb !== "add" && verb !== "grant" && verb !== "remove") {
    throw new UsageError("Must provide one of list, add, grant, remove.");
  }
  if (name === undefined || name.startsWith("-")) throw new UsageError("Must provide a user name.");
  if (verb === "remove") return api.delete(`/users/${pathPart(name)}`);
  const flags = readFlags(rest, FLAGS);
  if (flags.rest.length > 0) throw new UsageError(`unexpected word ${flags.rest[0]}`);
  const body = bodyOf(flags, context);
  if (verb === "add") await api.post("/users", { name, type: "normal", ...body });
  else await api.patch(`/users/${pathPart(name)}`, body);
}

function bodyOf(flags: Flags, { environment }: CommandContext): JsonRecord {
  const password = flags.text("password") ?? environment.variables["KAPACITOR_USER_PASSWORD"];
  const admin = flags.text("admin");
  const permissions = flags.text("permissions");
  return {
    ...(password === undefined || password === "" ? {} : { password }),
    ...(admin === undefined ? {} : { type: flags.isSet("admin") ? "admin" : "normal" }),
    ...(permissions === undefined ? {} : { permissions: permissions.split(",") }),
  };
}

async function listUsers(pattern: string, context: CommandContext): Promise<void> {
  const { api } = context;
  const rows = await api.list("/users", "users", { pattern });
  const width = columnWidth(
    rows.map((row) => text(row, "name")),
    4,
  );
  const line = (name: string, type: string, permissions: string): string =>
    `${left(name, width)}${left(type, 10)}${permissions}`;
  const table = rows.map((row) => {
    const permissions = row["permissions"];
    const shown = Array.isArray(permissions) ? permissions.join(",") : "";
    return line(text(row, "name"), text(row, "type"), shown);
  });
  report(context, { users: rows }, [line("Name", "Type", "Permissions"), ...table]);
}
