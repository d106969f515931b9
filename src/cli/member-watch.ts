/**
 * `member list -watch`: the list again and again on a terminal, elsewhere a line per change. Ends when interrupted.
 *
 * A member that cannot be asked for a while is said to be so and asked again: watching is for bad times.
 */

import { errorMessage } from "#lib/errors.ts";
import { encodeJson } from "#lib/json.ts";
import { type JsonRecord, records, text } from "./api.ts";
import type { CommandContext } from "./command.ts";

/** Between two questions, milliseconds. */
const EVERY_MS = 1_000;

/** Control sequences: to the top, empty the rest of a line, empty the rest of the screen, empty the screen. */
const TOP = "\x1b[H";
const CLEAR_LINE = "\x1b[K";
const CLEAR_BELOW = "\x1b[J";
const CLEAR = "\x1b[2J";

/** `linesOf` makes the list of one answer. Throws when the first question fails. */
export async function watchMembers(
  context: CommandContext,
  linesOf: (cluster: JsonRecord) => readonly string[],
): Promise<void> {
  const { environment, api, output } = context;
  const stop = environment.interrupted();
  const screen = output === "table" && environment.outIsTerminal;
  const watch = screen ? new Screen(context, linesOf) : new Changes(context);
  for (let first = true; first || !stop.aborted; first = false) {
    try {
      watch.show(await api.get("/cluster", {}, first ? undefined : stop));
    } catch (error) {
      if (first) throw error;
      if (!stop.aborted) watch.failed(errorMessage(error));
    }
    await environment.wait(EVERY_MS, stop);
  }
}

interface Watch {
  show(cluster: JsonRecord): void;
  failed(why: string): void;
}

class Screen implements Watch {
  readonly #context: CommandContext;
  readonly #linesOf: (cluster: JsonRecord) => readonly string[];
  #last: readonly string[] = [];
  #started = false;

  constructor(context: CommandContext, linesOf: (cluster: JsonRecord) => readonly string[]) {
    this.#context = context;
    this.#linesOf = linesOf;
  }

  show(cluster: JsonRecord): void {
    this.#last = this.#linesOf(cluster);
    this.#draw(stamp(this.#context));
  }

  failed(why: string): void {
    this.#draw(`${stamp(this.#context)}  no answer, the list is old: ${why}`);
  }

  #draw(head: string): void {
    const lines = [head, "", ...this.#last].map((line) => `${line}${CLEAR_LINE}\n`).join("");
    this.#context.environment.out(`${this.#started ? "" : CLEAR}${TOP}${lines}${CLEAR_BELOW}`);
    this.#started = true;
  }
}

class Changes implements Watch {
  readonly #context: CommandContext;
  #cluster = "";
  #before = new Map<string, Row>();
  #silent = false;

  constructor(context: CommandContext) {
    this.#context = context;
  }

  show(cluster: JsonRecord): void {
    const { environment, output } = this.#context;
    const now = new Map(
      records(cluster, "members").map((member) => [text(member, "id"), rowOf(member)]),
    );
    const name = `${text(cluster, "id")} ${text(cluster, "state")}`;
    const changes = [
      ...(name === this.#cluster ? [] : [`cluster ${name}`]),
      ...changesOf(this.#before, now),
    ];
    const at = stamp(this.#context);
    if (this.#silent) environment.err(`${at} answers again\n`);
    this.#silent = false;
    this.#cluster = name;
    this.#before = now;
    if (changes.length === 0) return;
    environment.out(
      output === "json"
        ? `${encodeJson({ time: at, ...cluster })}\n`
        : changes.map((change) => `${at} ${change}\n`).join(""),
    );
  }

  failed(why: string): void {
    if (this.#silent) return;
    this.#silent = true;
    this.#context.environment.err(`${stamp(this.#context)} no answer: ${why}\n`);
  }
}

interface Row {
  readonly address: string;
  readonly status: string;
}

function rowOf(member: JsonRecord): Row {
  return { address: text(member, "api-address"), status: text(member, "status") };
}

function changesOf(before: ReadonlyMap<string, Row>, now: ReadonlyMap<string, Row>): string[] {
  const lines: string[] = [];
  for (const [id, { address, status }] of now) {
    const old = before.get(id);
    if (old === undefined) lines.push(`${id} ${address} ${status}`);
    else if (old.status !== status) lines.push(`${id} ${address} ${old.status} -> ${status}`);
    else if (old.address !== address) lines.push(`${id} ${old.address} -> ${address} ${status}`);
  }
  for (const [id, { address, status }] of before) {
    if (!now.has(id)) lines.push(`${id} ${address} ${status} -> removed`);
  }
  return lines;
}

function stamp({ environment }: CommandContext): string {
  return new Date(environment.nowMs()).toISOString().replace(/\.\d+Z$/, "Z");
}
