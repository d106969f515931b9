/**
 * The daemon's own statistics as points in its own stream: database `_kapacitor`, so that tasks can watch it.
 *
 * Every interval the same counters that `debug/vars` shows become lines of line protocol and go into the
 * engine like any write. Measurements that no running task wants are not even made into text. Rounds do not
 * overlap: when one is still being processed the next is left out (`rounds_skipped`), and when the engine's
 * backlog is full the rest of a round is dropped (`points_dropped`); the next one tells the same, later.
 * Counters are integers; only `uptime` is a float. Source: storage-and-influx §10.
 */

import type { WriteChunk, WriteOutcome } from "#engine/ports.ts";
import { goMemory } from "#http/go-memory.ts";
import type { ProcessMemory, Statistic } from "#http/services.ts";
import { type Cancel, type Clock, every } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import { formatPoint } from "#model/line-protocol-format.ts";
import { Point } from "#model/point.ts";
import { makeSeries, type Series } from "#model/series.ts";
import { type FieldType, type FieldValue, internShape } from "#model/shape.ts";
import { STATISTIC_LINES_PER_WRITE } from "./limits.ts";

/** What `[stats]` says. */
export interface InternalStatsSettings {
  readonly intervalMs: number;
  readonly db: string;
  readonly rp: string;
}

/** Numbers of the whole daemon. */
export interface Overview {
  readonly num_tasks: number;
  readonly num_enabled_tasks: number;
  readonly num_subscriptions: number;
}

export interface InternalStatsParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly engine: {
    write(chunk: WriteChunk): Promise<WriteOutcome>;
    /** What running tasks want of a series' points; `false` = nothing. */
    wantsOf(series: Series): boolean | readonly string[];
  };
  /** Read at every round: the cluster ID changes. */
  readonly server: {
    readonly hostname: string;
    readonly clusterId: string;
    readonly serverId: string;
  };
  overview(): Overview;
  memory(): ProcessMemory;
  /** Everything else, without the tags of this member. */
  statistics(): readonly Statistic[];
}

/** Fields that are not counts. */
const FLOATS: ReadonlySet<string> = new Set(["uptime"]);

export class InternalStats {
  readonly counters = { points_written: 0, points_dropped: 0, rounds_skipped: 0 };
  readonly #parts: InternalStatsParts;
  readonly #settings: InternalStatsSettings;
  readonly #startMs: number;
  /** One series per measurement, to ask the engine with; as many as there are names of statistics. */
  readonly #probes = new Map<string, Series>();
  #cancel: Cancel = () => {};
  #round: Promise<void> | undefined;

  constructor(parts: InternalStatsParts, settings: InternalStatsSettings) {
    this.#parts = parts;
    this.#settings = settings;
    this.#startMs = parts.clock.monoMs();
  }

  open(): void {
    this.#cancel = every(this.#parts.clock, this.#settings.intervalMs, () => {
      if (this.#round === undefined) void this.inject();
      else this.counters.rounds_skipped += 1;
    });
  }

  /** Ends the rounds; resolves when the one under way is through. */
  async close(): Promise<void> {
    this.#cancel();
    await this.#round;
  }

  /** One round now. Never rejects. */
  async inject(): Promise<void> {
    const round = this.#inject().catch((error: unknown) =>
      this.#parts.log.error("failed to write statistics", { err: errorMessage(error) }),
    );
    this.#round = round;
    await round;
    if (this.#round === round) this.#round = undefined;
  }

  async #inject(): Promise<void> {
    const { db, rp } = this.#settings;
    const lines = this.#lines();
    for (let from = 0; from < lines.length; from += STATISTIC_LINES_PER_WRITE) {
      const some = lines.slice(from, from + STATISTIC_LINES_PER_WRITE);
      const body = new TextEncoder().encode(some.join("\n"));
      const outcome = await this.#parts.engine.write({ db, rp, precision: "ns", body });
      switch (outcome.kind) {
        case "written":
          this.counters.points_written += outcome.points;
          break;
        case "overloaded":
          this.counters.points_dropped += lines.length - from;
          return;
        case "malformed":
          this.counters.points_dropped += some.length;
          this.#parts.log.error("failed to write statistics", { err: outcome.errors[0] });
          break;
        default:
          outcome satisfies never;
      }
    }
  }

  #lines(): string[] {
    const now = this.#parts.clock.now();
    const lines: string[] = [];
    for (const { name, tags, values } of this.#wanted()) {
      const { names, types, fields } = fieldsOf(values);
      const series = makeSeries(this.#settings.db, this.#settings.rp, name, tags);
      const shape = internShape(names, types);
      const line = formatPoint(new Point(series, shape, fields, now.ms, now.ns));
      if (line !== undefined) lines.push(line);
    }
    return lines;
  }

  /** The statistics that some task takes, with all their tags. */
  *#wanted(): Iterable<Statistic> {
    const { server, overview, memory, statistics, clock } = this.#parts;
    const own = {
      host: server.hostname,
      cluster_id: server.clusterId,
      server_id: server.serverId,
    };
    if (this.#isWanted("kapacitor")) {
      const uptime = (clock.monoMs() - this.#startMs) / 1_000;
      yield { name: "kapacitor", tags: {}, values: { ...overview(), uptime } };
    }
    if (this.#isWanted("runtime")) {
      yield { name: "runtime", tags: own, values: runtimeOf(memory()) };
    }
    for (const { name, tags, values } of statistics()) {
      if (this.#isWanted(name)) yield { name, tags: { ...tags, ...own }, values };
    }
  }

  #isWanted(name: string): boolean {
    let probe = this.#probes.get(name);
    if (probe === undefined) {
      probe = makeSeries(this.#settings.db, this.#settings.rp, name, {});
      this.#probes.set(name, probe);
    }
    return this.#parts.engine.wantsOf(probe) !== false;
  }
}

interface Fields {
  readonly names: readonly string[];
  readonly types: readonly FieldType[];
  readonly fields: readonly FieldValue[];
}

/** The values that a field can hold; others are left out. */
function fieldsOf(values: Readonly<Record<string, unknown>>): Fields {
  const names: string[] = [];
  const types: FieldType[] = [];
  const fields: FieldValue[] = [];
  for (const [name, value] of Object.entries(values)) {
    const field = fieldOf(name, value);
    if (field === undefined) continue;
    names.push(name);
    types.push(field.type);
    fields.push(field.value);
  }
  return { names, types, fields };
}

function fieldOf(
  name: string,
  value: unknown,
): { readonly type: FieldType; readonly value: FieldValue } | undefined {
  switch (typeof value) {
    case "number":
      if (!Number.isFinite(value)) return undefined;
      return FLOATS.has(name)
        ? { type: "float", value }
        : { type: "int", value: Math.round(value) };
    case "string":
      return { type: "string", value };
    case "boolean":
      return { type: "boolean", value };
    default:
      return undefined;
  }
}

/** The fields of `runtime`, one of which is spelt in another way than in `memstats`. */
function runtimeOf(memory: ProcessMemory): Record<string, number> {
  const { HeapInuse: HeapInUse, ...others } = goMemory(memory);
  return { ...others, HeapInUse, NumGoroutine: 0 };
}
