/**
 * A cluster of real members on loopback addresses whose membership is watched from outside: through the lines that members log
 * when their view changes, and through their counters.
 *
 * Members are started two at a time, so that thirty of them fit on two cores. Whatever is waited for ends at the deadline
 * that `within` sets; a member that is in an unknown state then is given up, and the others go on without it.
 */

import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuSeconds } from "./bench-process.ts";
import { Member, until } from "./lab.ts";

/** For an answer of a member's API, milliseconds; an add may wait for the new member for 30 s. */
const ANSWER_MS = 35_000;
/** Members that start at once. */
const STARTS_AT_ONCE = 2;
/** Said when a deadline ends a wait of no particular kind. */
const OVER = "the time limit of this part is over";
/** Between two looks at the logs, milliseconds. */
const LOOK_EVERY_MS = 20;
/** Between two questions to the members, milliseconds. */
const ASK_EVERY_MS = 200;
/** After a change, until nothing about it is under way any more, milliseconds. */
const SETTLE_MS = 2_500;
/** Adds of one member before the first failure counts. */
const ADD_TRIES = 3;
/** IP and UDP headers, bytes. */
const HEADERS = 28;

/** A member's view of another changed. */
interface Change {
  readonly at: number;
  readonly by: number;
  readonly member: string;
  readonly status: string;
}

interface Watched {
  readonly process: Member;
  id: string;
  readonly place: number;
  /** Bytes of the log that were read. */
  read: number;
}

export interface Quiet {
  readonly bytes: number;
  readonly syncBytes: number;
  readonly datagrams: number;
  readonly residentMb: number;
  readonly proportionalMb: number;
}

export interface Marks {
  readonly suspect: number;
  readonly dead: number;
}

export class LiveGossip {
  readonly #members: Watched[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), "kapacitor-gossip-"));
  readonly #key = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString("base64");
  readonly #changes: Change[] = [];
  #next = 0;
  /** When everything that is under way is given up, as `performance.now` tells it. */
  #deadline = Number.POSITIVE_INFINITY;
  #formed = false;

  /** Starts that many members, each alone. Rejects, leaving nothing behind, when they are not all up in time. */
  static async start(count: number, limitMs: number): Promise<LiveGossip> {
    const cluster = new LiveGossip();
    try {
      await cluster.within(limitMs, () => cluster.#startAll(count));
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** Whether everybody saw everybody once. */
  get formed(): boolean {
    return this.#formed;
  }

  /** Does something within a time. Rejects with what was waited for when it is over. */
  async within<T>(limitMs: number, run: () => Promise<T>): Promise<T> {
    this.#deadline = performance.now() + limitMs;
    try {
      if (limitMs <= 0) throw new Error(OVER);
      return await run();
    } finally {
      this.#deadline = Number.POSITIVE_INFINITY;
    }
  }

  /** Adds everybody through the first at once: milliseconds until all see all, and what it cost each, settling included. */
  async joinAll(): Promise<{ readonly seenMs: number; readonly cpuMs: number }> {
    const began = Date.now();
    const before = this.#processorMs();
    await Promise.all(this.#members.slice(1).map((member) => this.#add(member)));
    await until("all see all", this.#left, () => this.#allSeeAll());
    // What flaps later on crowded cores was seen before.
    const first = new Map<string, number>();
    for (const { at, by, member, status } of this.#changes) {
      const pair = `${by} ${member}`;
      if (status === "alive" && !first.has(pair)) first.set(pair, at);
    }
    const last = Math.max(began, ...first.values());
    this.#formed = true;
    await this.#sleep(SETTLE_MS);
    return { seenMs: last - began, cpuMs: this.#processorMs() - before };
  }

  /** Traffic and memory while nothing happens. */
  async quiet(forMs: number): Promise<Quiet> {
    await this.#sleep(SETTLE_MS);
    const before = await this.#counters();
    const began = performance.now();
    await this.#sleep(forMs);
    const after = await this.#counters();
    const per = this.#members.length * ((performance.now() - began) / 1_000);
    const sum = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
    const datagrams = sum("datagrams-sent");
    const memory = this.#members.map(({ process }) => memoryOf(process.pid));
    const mean = (values: readonly number[]): number =>
      values.reduce((a, b) => a + b, 0) / values.length;
    return {
      bytes: (sum("datagram-bytes-sent") + HEADERS * datagrams) / per,
      syncBytes: sum("frame-bytes-sent") / per,
      datagrams: datagrams / per,
      residentMb: mean(memory.map(({ resident }) => resident)),
      proportionalMb: mean(memory.map(({ proportional }) => proportional)),
    };
  }

  /**
   * Kills a member, removes it, and adds a new one in its place. Times until it is dead in every view, until all have heard of its
   * removal after the first one did, and until the new one and all see each other.
   */
  async replaceOne(): Promise<{ deadMs: number; removedMs: number; joinedMs: number }> {
    const victim = this.#pick();
    this.#forget(victim);
    const others = [...this.#members];
    const killed = Date.now();
    await victim.process.kill("SIGKILL");
    const deadMs = (await this.#seenBy(others, victim.id, "dead", killed)) - killed;
    await this.#sleep(SETTLE_MS);
    const removing = Date.now();
    await this.#call(this.#first, "DELETE", `cluster/members/${victim.id}`);
    const all = await this.#seenBy(others, victim.id, "removed", removing);
    const removedMs = all - this.#firstSeen(victim.id, "removed", removing);
    await this.#sleep(SETTLE_MS);
    const fresh = await this.#startMember(victim.place);
    return this.#orGiveUp(fresh, async () => {
      const adding = Date.now();
      await this.#add(fresh);
      const seen = await this.#seenBy(others, fresh.id, "alive", adding);
      await this.#sleep(SETTLE_MS);
      return { deadMs, removedMs, joinedMs: seen - adding };
    });
  }

  /** Stops a member gracefully and starts it again; milliseconds until every other one knew that it left. */
  async leaveAndReturn(): Promise<number> {
    const member = this.#pick();
    const others = this.#members.filter((other) => other !== member);
    return this.#orGiveUp(member, async () => {
      const began = Date.now();
      const stopped = member.process.kill("SIGTERM");
      const all = await this.#seenBy(others, member.id, "left", began);
      await Promise.race([stopped, this.#over()]);
      const back = Date.now();
      await member.process.start();
      await this.#seenBy(others, member.id, "alive", back);
      await this.#sleep(SETTLE_MS);
      return all - began;
    });
  }

  /** Stops a process for a while and lets it run on; marks of anybody in any view meanwhile and shortly after. */
  async pause(forMs: number): Promise<Marks> {
    const member = this.#pick();
    const began = Date.now();
    await member.process.kill("SIGSTOP");
    try {
      await this.#sleep(forMs);
    } finally {
      await member.process.kill("SIGCONT");
    }
    await this.#sleep(2 * SETTLE_MS);
    return this.#marks(began);
  }

  /** Keeps the cores busy with endless loops at normal priority. */
  async busy(loops: number, forMs: number): Promise<Marks> {
    const began = Date.now();
    const running = Array.from({ length: loops }, () =>
      Bun.spawn(["sh", "-c", "while :; do :; done"], { stdin: "ignore" }),
    );
    try {
      await this.#sleep(forMs);
    } finally {
      for (const loop of running) loop.kill("SIGKILL");
    }
    await Promise.all(running.map((loop) => loop.exited));
    await this.#sleep(2 * SETTLE_MS);
    return this.#marks(began);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#members.map(({ process }) => kill(process)));
    rmSync(this.#directory, { recursive: true, force: true });
  }

  get #first(): Watched {
    const first = this.#members[0];
    if (first === undefined) throw new Error("the cluster has no member");
    return first;
  }

  /** Milliseconds until the deadline; throws when it is over. */
  get #left(): number {
    const left = this.#deadline - performance.now();
    if (left <= 0) throw new Error(OVER);
    return left;
  }

  /** Processor time of a member since its start, mean of all but the first, ms. */
  #processorMs(): number {
    const joiners = this.#members.slice(1);
    const sum = joiners.reduce((all, { process }) => all + cpuSeconds(process.pid), 0);
    return (1_000 * sum) / joiners.length;
  }

  async #sleep(ms: number): Promise<void> {
    if (ms > this.#left) throw new Error(OVER);
    await Bun.sleep(ms);
  }

  /** Rejects at the deadline. */
  async #over(): Promise<never> {
    await Bun.sleep(this.#left);
    throw new Error(OVER);
  }

  async #startAll(count: number): Promise<void> {
    await this.#startMember(0);
    let place = 1;
    const lane = async (): Promise<void> => {
      while (place < count) {
        if (performance.now() > this.#deadline) {
          throw new Error(`${this.#members.length} of ${count} members started in time`);
        }
        await this.#startMember(place++);
      }
    };
    // Each lane ends before any of them is believed: a member that starts late is stopped with the others.
    const ended = await Promise.allSettled(Array.from({ length: STARTS_AT_ONCE }, lane));
    for (const one of ended) if (one.status === "rejected") throw one.reason;
  }

  /** A member that an interrupted piece of work leaves in an unknown state is killed and not watched any more. */
  async #orGiveUp<T>(member: Watched, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      this.#forget(member);
      await kill(member.process);
      throw error;
    }
  }

  #forget(member: Watched): void {
    const at = this.#members.indexOf(member);
    if (at >= 0) this.#members.splice(at, 1);
  }

  async #startMember(place: number): Promise<Watched> {
    const process = await Member.create({
      name: `member${place}`,
      host: `127.0.0.${place + 1}`,
      directory: join(this.#directory, `member${place}-${this.#next++}`),
      cluster: `encryption-keys = ["${this.#key}"]`,
    });
    const member = { process, id: "", place, read: 0 };
    this.#members.push(member);
    return this.#orGiveUp(member, async () => {
      const view = (await this.#call(member, "GET", "cluster")) as {
        readonly "local-member-id": string;
      };
      member.id = view["local-member-id"];
      return member;
    });
  }

  /** An add may be repeated: on crowded cores its first dial can time out. */
  async #add(member: Watched): Promise<void> {
    const body = { "rpc-address": member.process.rpcAddress };
    for (let left = ADD_TRIES; ; left--) {
      try {
        await this.#call(this.#first, "POST", "cluster/members", body);
        return;
      } catch (error) {
        if (left <= 1 || performance.now() > this.#deadline) throw error;
      }
    }
  }

  /** Any but the first, in turn. */
  #pick(): Watched {
    const place = 1 + (this.#next++ % (this.#members.length - 1));
    return this.#members[place] ?? this.#first;
  }

  /** Asks seldom, so as not to disturb: when it came about is read in the logs. */
  async #allSeeAll(): Promise<boolean> {
    await Bun.sleep(ASK_EVERY_MS);
    this.#look();
    for (const member of this.#members) {
      const view = (await this.#call(member, "GET", "cluster")) as {
        readonly members: readonly { readonly status: string }[];
      };
      const alive = view.members.filter(({ status }) => status === "alive").length;
      if (alive !== this.#members.length) return false;
    }
    return true;
  }

  /** When the last of these members saw another one in this state; waits for it. */
  async #seenBy(
    by: readonly Watched[],
    member: string,
    status: string,
    since: number,
  ): Promise<number> {
    const when = new Map<number, number>();
    await until(`${status} in every view`, this.#left, async () => {
      await Bun.sleep(LOOK_EVERY_MS);
      this.#look();
      for (const change of this.#changes) {
        if (change.member !== member || change.status !== status || change.at < since) continue;
        if (!when.has(change.by)) when.set(change.by, change.at);
      }
      return by.every(({ place }) => when.has(place));
    });
    return Math.max(...when.values());
  }

  #firstSeen(member: string, status: string, since: number): number {
    this.#look();
    const at = this.#changes
      .filter((one) => one.member === member && one.status === status && one.at >= since)
      .map((one) => one.at);
    return Math.min(...at);
  }

  /** One suspicion or death is a line in every view: lines about one member soon after each other count once. */
  #marks(since: number): Marks {
    this.#look();
    const count = (status: string): number => {
      const lines = this.#changes.filter((one) => one.at >= since && one.status === status);
      const last = new Map<string, number>();
      let events = 0;
      for (const { at, member } of lines.sort((a, b) => a.at - b.at)) {
        if (at - (last.get(member) ?? Number.NEGATIVE_INFINITY) > SETTLE_MS) events++;
        last.set(member, at);
      }
      return events;
    };
    return { suspect: count("suspect"), dead: count("dead") };
  }

  /** Reads what was logged since the last look. */
  #look(): void {
    for (const member of this.#members) {
      const { size } = statSync(member.process.logPath);
      if (size <= member.read) continue;
      const bytes = Buffer.alloc(size - member.read);
      const file = openSync(member.process.logPath, "r");
      const length = readSync(file, bytes, 0, bytes.length, member.read);
      closeSync(file);
      // The last line may not be whole yet.
      const end = bytes.subarray(0, length).lastIndexOf(10) + 1;
      member.read += end;
      const text = bytes.subarray(0, end).toString();
      for (const line of text.split("\n")) {
        const joining = /^ts=(\S+) .*msg="joining cluster"/.exec(line);
        if (joining !== null) {
          const at = Date.parse(joining[1] ?? "");
          this.#changes.push({ at, by: member.place, member: member.id, status: "joining" });
        }
        const found = /^ts=(\S+) .*msg="member changed".* member=(\S+) status=(\w+)/.exec(line);
        if (found === null) continue;
        const [, ts = "", subject = "", status = ""] = found;
        this.#changes.push({ at: Date.parse(ts), by: member.place, member: subject, status });
      }
    }
  }

  async #call(member: Watched, method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await fetch(`${member.process.url}/kapacitor/v1/${path}`, {
      method,
      signal: AbortSignal.timeout(Math.ceil(Math.min(ANSWER_MS, this.#left))),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return text === "" ? undefined : JSON.parse(text);
  }

  async #counters(): Promise<Record<string, number>> {
    const sums: Record<string, number> = {};
    for (const member of this.#members) {
      const vars = (await this.#call(member, "GET", "debug/vars")) as {
        readonly kapacitor: Readonly<
          Record<string, { readonly name: string; readonly values: Record<string, number> }>
        >;
      };
      const gossip = Object.values(vars.kapacitor).find(({ name }) => name === "gossip");
      for (const [name, value] of Object.entries(gossip?.values ?? {})) {
        sums[name] = (sums[name] ?? 0) + value;
      }
    }
    return sums;
  }
}

/** Ends a process whatever it is doing. */
async function kill(process: Member): Promise<void> {
  await process.kill("SIGCONT");
  await process.kill("SIGKILL");
}

function memoryOf(pid: number): { readonly resident: number; readonly proportional: number } {
  const kilobytes = (file: string, field: string): number => {
    const found = new RegExp(`^${field}:\\s+(\\d+)`, "m").exec(
      readFileSync(`/proc/${pid}/${file}`, "utf8"),
    );
    return Number(found?.[1] ?? Number.NaN) / 1_024;
  };
  return { resident: kilobytes("status", "VmRSS"), proportional: kilobytes("smaps_rollup", "Pss") };
}
