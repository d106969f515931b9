/**
 * Where an influxDBOut node puts its lines: a write buffer that makes the database first when it is asked to.
 *
 * While the database cannot be made because InfluxDB does not answer, writes count as failed and are tried again
 * like any other; when InfluxDB refuses to make it, that is logged once and the writes go on.
 */

import type { PointSink, PointSinkSpec, PointTarget } from "#engine/outside-ports.ts";
import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { type InfluxClient, InfluxError } from "./client.ts";
import { createDatabase } from "./ddl.ts";
import { WriteBuffer, type WriteBufferCounters } from "./write-buffer.ts";

export interface InfluxSinkServices {
  /** The client as it is configured now. Throws when the InfluxDB is gone. */
  client(): Pick<InfluxClient, "query" | "write">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export class InfluxSink implements PointSink {
  readonly counters: WriteBufferCounters;
  readonly #services: InfluxSinkServices;
  readonly #buffer: WriteBuffer;
  /** The statement that still has to run. */
  #statement: string | undefined;
  #creating: Promise<void> | undefined;

  constructor(spec: PointSinkSpec, services: InfluxSinkServices) {
    this.#services = services;
    const { buffer, flushIntervalMs, create } = spec;
    const { clock, random, log } = services;
    this.#buffer = new WriteBuffer({
      client: {
        write: async (target, lines, signal) => {
          await this.#create(signal);
          await this.#client().write(target, lines, signal);
        },
      },
      ...{ clock, random, log, buffer, flushIntervalMs },
    });
    this.counters = this.#buffer.counters;
    if (create === undefined) return;
    this.#statement = createDatabase(create.db, create.rp);
    // What goes wrong is logged there, and met again by the first write.
    this.#create(undefined).catch(() => {});
  }

  add(target: PointTarget, line: string): boolean {
    return this.#buffer.add(target, line);
  }

  close(): Promise<void> {
    return this.#buffer.close();
  }

  #client(): Pick<InfluxClient, "query" | "write"> {
    try {
      return this.#services.client();
    } catch (error) {
      // The configuration may name it again.
      throw new InfluxError(errorMessage(error), undefined, { cause: error });
    }
  }

  #create(signal: AbortSignal | undefined): Promise<void> {
    const statement = this.#statement;
    if (statement === undefined) return Promise.resolve();
    this.#creating ??= this.#run(statement, signal).finally(() => {
      this.#creating = undefined;
    });
    return this.#creating;
  }

  /** Rejects when another attempt may succeed. */
  async #run(statement: string, signal: AbortSignal | undefined): Promise<void> {
    try {
      await this.#client().query(statement, signal);
    } catch (error) {
      const { log } = this.#services;
      log.error("failed to create database", { query: statement, err: errorMessage(error) });
      if (error instanceof InfluxError && error.retryable) throw error;
    }
    this.#statement = undefined;
  }
}
