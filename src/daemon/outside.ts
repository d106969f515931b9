/**
 * The engine's outside, made of the configuration and the clients: queries, point writers, posts, sideload files.
 *
 * Everything is looked up in the configuration in force when it is used, so a change through the API counts
 * with the next query or write. Queries of all tasks share a number of places (`[task]
 * batch-query-concurrency`), because each costs InfluxDB a scan.
 */

import type { BlockList } from "node:net";
import { BatchQuery } from "#clients/influx/batch-query.ts";
import { InfluxClient } from "#clients/influx/client.ts";
import { FluxCsvReader } from "#clients/influx/flux-csv.ts";
import { InfluxSink } from "#clients/influx/point-sink.ts";
import { tokenMaker } from "#clients/influx/shared-secret.ts";
import { streamSeries } from "#clients/influx/stream-series.ts";
import { Pace } from "#clients/pace.ts";
import { SideloadDirectories } from "#clients/sideload-files.ts";
import { Slots } from "#clients/slots.ts";
import { milliseconds } from "#config/cluster-settings.ts";
import type { DaemonConfig } from "#config/daemon-config.ts";
import { defaultInfluxdb, type InfluxdbConfig } from "#config/sections/influxdb.ts";
import type {
  BatchSource,
  FluxSpec,
  HttpPoster,
  OpenFluxQuery,
  OpenQuery,
  OutsidePorts,
  PointSink,
  PointSinkSpec,
  PointWriter,
  QuerySpec,
  TakeSeries,
} from "#engine/outside-ports.ts";
import { influxClientOptions } from "#ingest/subscription-config.ts";
import type { Clock } from "#lib/clock.ts";
import type { Log } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import { formatTime } from "#lib/time.ts";
import type { RawQueries } from "#tasks/record-query.ts";
import { isBlocked } from "./cidrs.ts";
import { OutsidePosts } from "./outside-posts.ts";

export interface OutsideOptions {
  /** The configuration in force; sections that change come as new objects. */
  config(): DaemonConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Addresses that posts must not reach; `undefined` = no limit. */
  readonly blocked: BlockList | undefined;
}

export class Outside implements OutsidePorts {
  readonly queries: BatchSource & RawQueries;
  readonly points: PointWriter;
  readonly posts: HttpPoster;
  readonly sideloads = new SideloadDirectories();

  constructor(options: OutsideOptions) {
    const clients = new InfluxClients(options);
    const { clock, blocked } = options;
    const guard =
      blocked === undefined ? {} : { isBlocked: (address: string) => isBlocked(blocked, address) };
    this.queries = new Queries(options, clients);
    this.points = new Writers(options, clients);
    this.posts = new OutsidePosts({ clock, guard, endpoints: () => options.config().httppost });
  }
}

/** A client per `[[influxdb]]` element, made when it is first needed. */
class InfluxClients {
  readonly #options: OutsideOptions;
  readonly #known = new WeakMap<InfluxdbConfig, InfluxClient>();

  constructor(options: OutsideOptions) {
    this.#options = options;
  }

  /** "" = the default one. Throws `Error` when there is none, or its TLS files are unreadable. */
  get(name: string): InfluxClient {
    const element = this.#element(name);
    let client = this.#known.get(element);
    if (client === undefined) {
      client = this.#make(element);
      this.#known.set(element, client);
    }
    return client;
  }

  #element(name: string): InfluxdbConfig {
    const elements = this.#options.config().influxdb;
    if (name === "") {
      const element = defaultInfluxdb(elements);
      if (element === undefined) throw new Error("no InfluxDB is configured and enabled");
      return element;
    }
    const element = elements.find((one) => one.name === name && one.enabled);
    if (element === undefined) {
      throw new Error(`no InfluxDB ${JSON.stringify(name)} is configured and enabled`);
    }
    return element;
  }

  #make(element: InfluxdbConfig): InfluxClient {
    const { clock, config } = this.#options;
    const secret = config().http["shared-secret"];
    const signs = element["http-shared-secret"] && secret !== "";
    const bearer = signs ? { bearer: tokenMaker(clock, element.username, secret) } : {};
    return new InfluxClient({ ...influxClientOptions(element), ...bearer }, clock);
  }
}

class Queries implements BatchSource, RawQueries {
  readonly #clients: InfluxClients;
  readonly #options: OutsideOptions;
  readonly #slots: Slots;

  constructor(options: OutsideOptions, clients: InfluxClients) {
    this.#clients = clients;
    this.#options = options;
    this.#slots = new Slots(options.config().task["batch-query-concurrency"]);
  }

  get jitterMs(): number {
    return milliseconds(this.#options.config().task["batch-query-jitter"]);
  }

  query({ text, dimensions, fill, cluster }: QuerySpec): OpenQuery {
    const query = new BatchQuery(text, { dimensions, fill });
    this.#clients.get(cluster);
    return {
      sources: query.sources,
      run: ({ start, stop, groupOffset }, take, signal) => {
        const asked = query.text(start, stop, groupOffset);
        const pace = new Pace(this.#options.clock);
        return this.#slots.run(
          () => streamSeries(this.#clients.get(cluster), asked, take, { pace, signal }),
          signal,
        );
      },
    };
  }

  run(
    { text, cluster }: { readonly text: string; readonly cluster: string },
    take: TakeSeries,
    signal: AbortSignal,
  ): Promise<void> {
    const pace = new Pace(this.#options.clock);
    return this.#slots.run(
      () => streamSeries(this.#clients.get(cluster), text, take, { pace, signal }),
      signal,
    );
  }

  flux({ text, cluster, org, orgId }: FluxSpec): OpenFluxQuery {
    this.#clients.get(cluster);
    return {
      run: (time, take, signal) => {
        const now = formatTime(time.ms, time.ns);
        return this.#slots.run(async () => {
          const reader = new FluxCsvReader(time);
          const pace = new Pace(this.#options.clock);
          const client = this.#clients.get(cluster);
          await client.fluxStream(
            { script: text, org, orgId, now },
            async (piece) => {
              for (const series of reader.push(piece)) await take(series);
              await pace.step();
            },
            signal,
          );
          for (const series of reader.end()) await take(series);
        }, signal);
      },
    };
  }
}

class Writers implements PointWriter {
  readonly #options: OutsideOptions;
  readonly #clients: InfluxClients;

  constructor(options: OutsideOptions, clients: InfluxClients) {
    this.#options = options;
    this.#clients = clients;
  }

  open(spec: PointSinkSpec): PointSink {
    const { clock, random, log } = this.#options;
    const { cluster, task, node } = spec;
    this.#clients.get(cluster);
    return new InfluxSink(spec, {
      client: () => this.#clients.get(cluster),
      log: log.with({ task, node }),
      ...{ clock, random },
    });
  }
}
