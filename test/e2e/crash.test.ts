/**
 * Rounds of kill -9 at random instants while clients edit everything that is durable; then a restart.
 *
 * Every thing has one client that edits it without a pause and remembers what was acknowledged last. After the
 * restart the thing is in that state or, when its last edit had no answer, in the state behind that edit; never
 * between, and nothing unknown is there. Some restarts are killed as well. CI runs 12 rounds,
 * `KAPACITOR_TEST_FULL=1` 200; `KAPACITOR_TEST_SEED` repeats the choices (not the timing) of a run.
 */

import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Random, SeededRandom } from "#lib/random.ts";
import { Member, until } from "../../scripts/lab.ts";

const FULL = process.env["KAPACITOR_TEST_FULL"] === "1";
const ROUNDS = FULL ? 200 : 12;
const SEED = Number(process.env["KAPACITOR_TEST_SEED"] ?? Date.now() % 1_000_000_000);
/** The kill comes within this time of the first edit, ms: from before any answer to hundreds of edits. */
const EDITING_MS_MAX = 500;
/** A killed restart lives at most this long, ms: longer than a start takes. */
const STARTING_MS_MAX = 400;

interface Edit {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** The thing's state when the edit is done. */
  readonly after: string;
}

/** Something durable with its own client. States are compact JSON. */
interface Thing {
  readonly name: string;
  edit(state: string, random: Random, serial: number): Edit;
}

interface Known {
  acknowledged: string;
  /** The state behind an edit that was sent and not answered. */
  unanswered: string | undefined;
}

const ABSENT = "null";
const DBRPS = [{ db: "d", rp: "r" }];
const scriptOf = (n: number): string => `stream\n    |from()\n        .measurement('m${n}')\n`;
const pick = <T>(random: Random, first: T, ...rest: readonly T[]): T =>
  [first, ...rest][random.below(rest.length + 1)] ?? first;
const text = JSON.stringify;

/** A task under one of two IDs: created, rewritten, switched on and off, renamed, deleted. */
function task(i: number): Thing {
  return {
    name: `task-${i}`,
    edit(state, random, n) {
      const idOf = (letter: string): string => `task-${i}-${letter}`;
      const status = pick(random, "enabled", "disabled");
      if (state === ABSENT) {
        const body = { id: idOf("a"), script: scriptOf(n), dbrps: DBRPS, status };
        return { method: "POST", path: "/tasks", body, after: text(["a", n, status]) };
      }
      const [letter, old, was] = JSON.parse(state);
      const path = `/tasks/${idOf(letter)}`;
      const patch = (body: unknown, after: unknown): Edit => ({
        ...{ method: "PATCH", path, body },
        after: text(after),
      });
      const other = letter === "a" ? "b" : "a";
      return pick(
        random,
        () => patch({ script: scriptOf(n) }, [letter, n, was]),
        () => patch({ script: scriptOf(n), status }, [letter, n, status]),
        () => patch({ status }, [letter, old, status]),
        () => patch({ id: idOf(other), script: scriptOf(n) }, [other, n, was]),
        (): Edit => ({ method: "DELETE", path, after: ABSENT }),
      )();
    },
  };
}

/** A template and two tasks made from it: a change of the template changes all three or none. */
function template(i: number): Thing {
  const id = `template-${i}`;
  return {
    name: id,
    edit(state, random, n) {
      const [of, ...made]: (number | null)[] =
        state === ABSENT ? [null, null, null] : JSON.parse(state);
      if (of === null || of === undefined) {
        const body = { id, type: "stream", script: scriptOf(n) };
        return { method: "POST", path: "/templates", body, after: text([n, ...made]) };
      }
      const change = (): Edit => ({
        ...{ method: "PATCH", path: `/templates/${id}`, body: { script: scriptOf(n) } },
        after: text([n, ...made.map((each) => (each === null ? null : n))]),
      });
      const at = random.below(2);
      const path = `/tasks/${id}-task-${at}`;
      const replaced = (value: number | null): string => text([of, ...made.with(at, value)]);
      const body = { id: `${id}-task-${at}`, "template-id": id, dbrps: DBRPS, status: "enabled" };
      const flip = (): Edit =>
        made[at] === null
          ? { method: "POST", path: "/tasks", body, after: replaced(of) }
          : { method: "DELETE", path, after: replaced(null) };
      const drop = (): Edit => ({
        ...{ method: "DELETE", path: `/templates/${id}` },
        after: text([null, ...made]),
      });
      return pick(random, change, change, flip, flip, drop)();
    },
  };
}

/** A topic handler under one of two IDs. */
function handler(i: number): Thing {
  const below = "/alerts/topics/crash/handlers";
  return {
    name: `handler-${i}`,
    edit(state, random, n) {
      const bodyOf = (letter: string): unknown => ({
        ...{ id: `handler-${i}-${letter}`, kind: "log", options: { path: `/nowhere/${n}` } },
      });
      if (state === ABSENT) {
        return { method: "POST", path: below, body: bodyOf("a"), after: text(["a", n]) };
      }
      const [letter] = JSON.parse(state);
      const path = `${below}/handler-${i}-${letter}`;
      const other = letter === "a" ? "b" : "a";
      const patch = [{ op: "replace", path: "/options/path", value: `/nowhere/${n}` }];
      return pick<Edit>(
        random,
        { method: "PUT", path, body: bodyOf(letter), after: text([letter, n]) },
        { method: "PUT", path, body: bodyOf(other), after: text([other, n]) },
        { method: "PATCH", path, body: patch, after: text([letter, n]) },
        { method: "DELETE", path, after: ABSENT },
      );
    },
  };
}

/** Silences one after the other: made, ended, the next one. The comment says whose and which. */
function silence(i: number, ids: ReadonlyMap<string, string>): Thing {
  return {
    name: `silence-${i}`,
    edit(state, _random, n) {
      const [old, status] = JSON.parse(state) ?? [];
      if (status === "active") {
        const id = ids.get(`silence-${i}/${old}`) ?? "unknown";
        return {
          ...{ method: "DELETE", path: `/alerts/silences/${id}` },
          after: text([old, "expired"]),
        };
      }
      const matchers = [{ name: "id", value: `silenced-${i}` }];
      const comment = `silence-${i}/${n}`;
      const body = { matchers, duration: "1h", author: "crash test", comment };
      return { method: "POST", path: "/alerts/silences", body, after: text([n, "active"]) };
    },
  };
}

/** Stream recordings one after the other: deleted or killed while they run, or ended by a point of `event`. */
function recording(i: number): Thing {
  return {
    name: `recording-${i}`,
    edit(state, random, n) {
      if (state !== ABSENT) {
        const path = `/recordings/recording-${i}-${state}`;
        return { method: "DELETE", path, after: ABSENT };
      }
      const stop = new Date((n + random.below(100)) * 1000).toISOString();
      const body = { id: `recording-${i}-${n}`, task: EVENT_TASK.id, stop };
      return { method: "POST", path: "/recordings/stream", body, after: text(n) };
    },
  };
}

/** A change of the configuration by the API. */
const override: Thing = {
  name: "override",
  edit: (_state, _random, n) => ({
    ...{ method: "POST", path: "/config/smtp/", body: { set: { from: `n${n}@example.com` } } },
    after: text(n),
  }),
};

/** The state of an alert: every point raises an event of the same ID, and the message counts. */
const EVENT_TASK = {
  id: "event",
  status: "enabled",
  dbrps: [{ db: "events", rp: "r" }],
  script: `stream
    |from()
        .measurement('e')
    |alert()
        .id('event')
        .message('{{ index .Fields "n" }}')
        .crit(lambda: TRUE)
        .topic('events')
`,
};
const event: Thing = {
  name: "event",
  edit: (_state, _random, n) => ({
    ...{ method: "POST", path: "/write?db=events&rp=r&precision=s", body: `e n=${n}i ${n}` },
    after: text(n),
  }),
};

class World {
  readonly silenceIds = new Map<string, string>();
  readonly things: readonly Thing[];
  readonly known: ReadonlyMap<string, Known>;
  readonly #random: Random;
  readonly #base: () => string;
  #serial = 0;
  #down = true;
  acknowledged = 0;
  unanswered = 0;

  constructor(random: Random, base: () => string) {
    this.#random = random;
    this.#base = base;
    this.things = [
      ...[0, 1, 2, 3].map(task),
      ...[0, 1].map(template),
      ...[0, 1, 2].map(handler),
      ...[0, 1].map((i) => silence(i, this.silenceIds)),
      ...[0, 1].map(recording),
      ...[override, event],
    ];
    this.known = new Map(
      this.things.map(({ name }) => [name, { acknowledged: ABSENT, unanswered: undefined }]),
    );
  }

  /** Edits everything until `down`; then the clients stop at their first request without an answer. */
  async edit(): Promise<void> {
    this.#down = false;
    await Promise.all(this.things.map((thing) => this.#editOne(thing)));
  }

  down(): void {
    this.#down = true;
  }

  async #editOne(thing: Thing): Promise<void> {
    const known = this.#knownOf(thing.name);
    for (;;) {
      const edit = thing.edit(known.acknowledged, this.#random, ++this.#serial);
      known.unanswered = edit.after;
      const answer = await this.ask(edit).catch(() => undefined);
      if (answer === undefined) {
        if (!this.#down) throw new Error(`no answer to ${edit.method} ${edit.path}`);
        this.unanswered++;
        return;
      }
      if (answer.status >= 300)
        throw new Error(`${edit.method} ${edit.path}: ${answer.status} ${answer.text}`);
      if (edit.path === "/alerts/silences") this.#learnSilence(JSON.parse(answer.text));
      known.acknowledged = edit.after;
      known.unanswered = undefined;
      this.acknowledged++;
    }
  }

  async ask({ method, path, body }: Omit<Edit, "after">) {
    const response = await fetch(`${this.#base()}${path}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : text(body) }),
    });
    // The status is the acknowledgement; the text may be cut off by the kill.
    const read = await response.text().catch(() => "{}");
    return { status: response.status, text: read };
  }

  async #list(path: string, key: string): Promise<readonly Record<string, unknown>[]> {
    const answer = await this.ask({ method: "GET", path });
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`);
    return JSON.parse(answer.text)[key];
  }

  /** Everything that is there, by name of its thing. */
  async observe(): Promise<ReadonlyMap<string, string>> {
    const seen = new Map<string, string>();
    await this.#observeTasks(seen);
    for (const { id, options } of await this.#list("/alerts/topics/crash/handlers", "handlers")) {
      const [, name = "", letter = ""] = /^(.*)-(.)$/.exec(String(id)) ?? [];
      const at = String(Reflect.get(Object(options), "path")).slice("/nowhere/".length);
      once(seen, name, [letter, Number(at)]);
    }
    for (const each of await this.#list("/alerts/silences", "silences")) {
      this.#learnSilence(each);
      const [name = "", n = ""] = String(each["comment"]).split("/");
      const newest = Number(JSON.parse(seen.get(name) ?? "[0]")[0]);
      if (Number(n) > newest) seen.set(name, text([Number(n), each["status"]]));
    }
    for (const { id, status } of await this.#list("/recordings?limit=-1", "recordings")) {
      expect(["finished", "failed"]).toContain(String(status));
      const [, name = String(id), n = ""] = /^(recording-\d)-(\d+)$/.exec(String(id)) ?? [];
      once(seen, name, Number(n));
    }
    const smtp = await this.ask({ method: "GET", path: "/config/smtp/" });
    const set = /"from":"n(\d+)@/.exec(smtp.text);
    if (set !== null) seen.set("override", String(set[1]));
    return seen;
  }

  async #observeTasks(seen: Map<string, string>): Promise<void> {
    const made = new Map<string, [number | null, number | null, number | null]>();
    const of = (name: string): [number | null, number | null, number | null] => {
      const found = made.get(name) ?? [null, null, null];
      made.set(name, found);
      return found;
    };
    const list = "limit=-1&script-format=raw";
    for (const { id, script } of await this.#list(`/templates?${list}`, "templates"))
      of(String(id))[0] = variantOf(script);
    for (const found of await this.#list(`/tasks?${list}`, "tasks")) {
      const { id, script, status, executing, error } = found;
      expect({ id, error, executing }).toEqual({ id, error: "", executing: status === "enabled" });
      const [, owner, place] = /^(template-\d)-task-([01])$/.exec(String(id)) ?? [];
      if (owner !== undefined) {
        of(owner)[place === "0" ? 1 : 2] = variantOf(script);
        continue;
      }
      if (id === EVENT_TASK.id) continue;
      const [, name = String(id), letter = ""] = /^(task-\d)-([ab])$/.exec(String(id)) ?? [];
      once(seen, name, [letter, variantOf(script), status]);
    }
    for (const [name, state] of made)
      if (state.some((each) => each !== null)) seen.set(name, text(state));
  }

  #learnSilence(body: unknown): void {
    const { id, comment } = Object(body);
    if (id !== undefined) this.silenceIds.set(String(comment), String(id));
  }

  /** Compares with what was acknowledged and goes on from what is there. Returns what is wrong. */
  async check(): Promise<readonly string[]> {
    const seen = new Map(await this.observe());
    seen.set(event.name, await this.#eventSeen());
    const wrong: string[] = [];
    for (const [name, known] of this.known) {
      const state = seen.get(name) ?? ABSENT;
      seen.delete(name);
      if (!isAllowed(name, state, known))
        wrong.push(
          `${name} is ${state}: acknowledged ${known.acknowledged}, then ${known.unanswered}`,
        );
      known.acknowledged = state;
      known.unanswered = undefined;
    }
    for (const [name, state] of seen) wrong.push(`${name} is ${state}, and nobody made it`);
    return wrong;
  }

  /** Alerts that were on their way are taken up again behind the start, so the newest may need a moment. */
  async #eventSeen(): Promise<string> {
    const known = this.#knownOf(event.name);
    let state = ABSENT;
    const path = "/alerts/topics/events/events/event";
    await until("the event", 5_000, async () => {
      const { status, text: found } = await this.ask({ method: "GET", path });
      state = status === 200 ? String(JSON.parse(found).state.message) : ABSENT;
      return isAllowed(event.name, state, known);
    }).catch(() => {});
    return state;
  }

  #knownOf(name: string): Known {
    const known = this.known.get(name);
    if (known === undefined) throw new Error(`nothing is called ${name}`);
    return known;
  }
}

function isAllowed(name: string, state: string, { acknowledged, unanswered }: Known): boolean {
  const empty = name.startsWith("template-") ? text([null, null, null]) : ABSENT;
  const same = (other: string): boolean => state === (other === empty ? ABSENT : other);
  return same(acknowledged) || (unanswered !== undefined && same(unanswered));
}

/** A thing that is there twice is half of a rename: a state that is never allowed. */
function once(seen: Map<string, string>, name: string, state: unknown): void {
  const first = seen.get(name);
  seen.set(name, first === undefined ? text(state) : `${first} and ${text(state)}`);
}

function variantOf(script: unknown): number {
  const [, n] = /measurement\('m(\d+)'\)/.exec(String(script)) ?? [];
  return Number(n ?? Number.NaN);
}

test(
  `${ROUNDS} rounds of kill -9 lose nothing acknowledged and leave nothing half-written`,
  async () => {
    console.log(`crash test: seed ${SEED}, ${ROUNDS} rounds`);
    const random = new SeededRandom(SEED);
    const directory = mkdtempSync(join(tmpdir(), "kapacitor-crash-"));
    const member = await Member.create({ name: "crash", host: "127.0.0.1", directory });
    try {
      const world = new World(random, () => `${member.url}/kapacitor/v1`);
      const defined = await world.ask({ method: "POST", path: "/tasks", body: EVENT_TASK });
      expect(defined.status).toBe(200);
      for (let round = 0; round < ROUNDS; round++) {
        const editing = world.edit();
        editing.catch(() => {});
        // Not a wait for something: the instant of the kill is what is tried.
        await Bun.sleep(random.below(EDITING_MS_MAX));
        world.down();
        await member.kill("SIGKILL");
        await editing;
        if (random.below(3) === 0) await killedStart(member, random);
        await member.start();
        const wrong = await world.check();
        if (wrong.length > 0)
          throw new Error(
            `seed ${SEED}, round ${round}:\n${wrong.join("\n")}\n${member.logTail(10)}`,
          );
      }
      console.log(`${world.acknowledged} edits answered, ${world.unanswered} cut off`);
      expect(world.acknowledged).toBeGreaterThan(ROUNDS * world.things.length);
      expect(world.unanswered).toBeGreaterThan(0);
    } finally {
      await member.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    }
  },
  FULL ? 900_000 : 60_000,
);

/** A start that is killed too, somewhere between the first file opened and the first answer. */
async function killedStart(member: Member, random: Random): Promise<void> {
  const starting = member.start().catch(() => {});
  await Bun.sleep(random.below(STARTING_MS_MAX));
  await member.kill("SIGKILL");
  await starting;
}
