/**
 * `member list`, `member add`, `member remove`: the cluster as its members see it.
 *
 * Shared by `kapacitorctl` and `kapacitor member`. Source: cluster-behaviour §4, U3, U4.
 */

import { type JsonRecord, pathPart, records, text } from "./api.ts";
import { type CommandContext, UsageError } from "./command.ts";
import { readFlags } from "./flags.ts";
import { watchMembers } from "./member-watch.ts";
import { left, report } from "./output.ts";

export const MEMBER_HELP = `Usage: kapacitorctl member list [-watch]
       kapacitorctl member add RPC_ADDRESS
       kapacitorctl member remove MEMBER_ID

Lists, adds and removes the members of a cluster. Run against any member.

  list              Show the state of the cluster and its members. With -watch until interrupted:
                    on a terminal the list, again every second; elsewhere a line per change.
  add               Add the member that answers at host:port (its [cluster] rpc address).
  remove            Remove a member, dead or alive. It becomes a cluster of its own.

Options, before or after the command:
  -url URL          Address of a member (default http://localhost:9092, or KAPACITOR_URL).
                    User and password may be given as ?u=NAME&p=PASSWORD.
  -skipVerify       Do not check the server's certificate (or KAPACITOR_UNSAFE_SSL).
  -output FORM      table (default) or json.`;

/** What `member list` prints with `-output json`. */
export const MEMBER_JSON =
  "list: the cluster as GET /kapacitor/v1/cluster gives it; with -watch a line per change, with its time";

/** Options behind `member`. */
export const MEMBER_FLAGS = { watch: "boolean" } as const;

/** Throws `UsageError` for wrong arguments. `add` and `remove` print nothing. */
export async function runMember(args: readonly string[], context: CommandContext): Promise<void> {
  const [verb, value] = args;
  switch (verb) {
    case "list": {
      const flags = readFlags(args.slice(1), MEMBER_FLAGS);
      if (flags.rest.length > 0) throw new UsageError("member list takes no arguments");
      return flags.isSet("watch") ? watchMembers(context, listLines) : listMembers(context);
    }
    case "add":
      if (value === undefined || args.length !== 2) {
        throw new UsageError("Must provide the RPC address of the member to add.");
      }
      await context.api.post("/cluster/members", { "rpc-address": withPort(value) });
      return;
    case "remove":
      if (value === undefined || args.length !== 2) {
        throw new UsageError("Must provide the ID of the member to remove.");
      }
      return context.api.delete(`/cluster/members/${pathPart(value)}`);
    case undefined:
      throw new UsageError("Must provide one of list, add, remove.");
    default:
      throw new UsageError(`unknown member command "${verb}"`);
  }
}

const RPC_PORT = 9091;

function withPort(address: string): string {
  return /:\d+$/.test(address) ? address : `${address}:${RPC_PORT}`;
}

async function listMembers(context: CommandContext): Promise<void> {
  const cluster = await context.api.get("/cluster");
  report(context, cluster, listLines(cluster));
}

function listLines(cluster: JsonRecord): readonly string[] {
  const members = records(cluster, "members");
  const rows = members.map(cells);
  const widths = [
    40,
    addressWidth("Gossip Address", rows, 1),
    addressWidth("RPC Address", rows, 2),
    addressWidth("API Address", rows, 3),
    Math.max("Roles".length, ...rows.map((row) => row[4].length)) + 1,
  ];
  const line = (row: Cells): string => row.map((cell, i) => left(cell, widths[i] ?? 0)).join("");
  return [
    `State: ${text(cluster, "state")}`,
    `Cluster ID: ${text(cluster, "id")}`,
    `Local Member ID: ${text(cluster, "local-member-id")}`,
    line(["Member ID", "Gossip Address", "RPC Address", "API Address", "Roles", "Status"]),
    ...rows.map(line),
  ];
}

type Cells = readonly [string, string, string, string, string, string];

function cells(member: JsonRecord): Cells {
  const roles = member["roles"];
  return [
    text(member, "id"),
    text(member, "gossip-address"),
    text(member, "rpc-address"),
    text(member, "api-address"),
    Array.isArray(roles) ? roles.join(",") : "",
    text(member, "status"),
  ];
}

function addressWidth(header: string, rows: readonly Cells[], column: 1 | 2 | 3): number {
  return Math.max(header.length + 1, ...rows.map((row) => row[column].length + 3));
}
