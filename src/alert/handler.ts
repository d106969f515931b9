/**
 * What an alert handler kind is, once: options, TICKscript property, sending.
 *
 * A kind is one file in `handlers/` that calls `defineHandler`, plus a line in `handlers/registry.ts`. Topic
 * handlers (API, files) and inline handlers (TICKscript) end in the same options object and the same `open`.
 */

import type { TSchema } from "@sinclair/typebox";
import type { Clock } from "#lib/clock.ts";
import type { Log } from "#lib/log.ts";
import type { PropertyCall, PropertySpec } from "#tick/environment.ts";
import type { AlertEvent } from "./event.ts";
import type { Level } from "./level.ts";
import type { Outcome } from "./outcome.ts";

/** A topic handler as users define it. `options` is kept as given (unknown keys are refused at creation). */
export interface HandlerSpec {
  readonly id: string;
  readonly topic: string;
  readonly kind: string;
  readonly match: string;
  readonly options: Readonly<Record<string, unknown>> | null;
}

/** An event with the level its topic knew for the ID before (OK when it knew none). */
export interface Delivery {
  readonly event: AlertEvent;
  readonly previousLevel: Level;
}

/** An opened handler. One per spec; lives until the spec is changed or removed. */
export interface Handler {
  /**
   * Tells the world. Never throws; an unexpected throw counts as `retry`. Obeys the signal (time limit, cancel,
   * shutdown). May run concurrently for different event IDs.
   */
  send(delivery: Delivery, signal: AbortSignal): Promise<Outcome>;
  close?(): void | Promise<void>;
}

/** What handlers may use. Filled in `daemon/wire.ts`. */
export interface HandlerServices {
  readonly clock: Clock;
  readonly log: Log;
  /** This member's names, for templates and bodies. */
  readonly server: {
    readonly hostname: string;
    readonly clusterId: string;
    readonly serverId: string;
    /** Address of this daemon's API that receivers show as the sender's. */
    readonly apiUrl?: string;
  };
  /** The resolved configuration section of a handler kind, or `undefined`. */
  section(name: string): unknown;
  /** Raises an event in another topic (publish, aggregate). */
  publish(event: AlertEvent): void;
  /** Counts one for `debug/vars`, where the original keeps a statistic of the kind's own. Absent: nobody looks. */
  count?(name: string, tags: Readonly<Record<string, string>>, counter: string): void;
  /** May requests not go to this literal address (`-blacklist-cidrs`)? Absent: all may. */
  isBlocked?(address: string): boolean;
}

/** The self-test of the service that a kind talks to: `/service-tests/<service>`. Source: http-api §9. */
export interface HandlerTest {
  /** The service's name; default the kind. */
  readonly service?: string;
  /** The options with their defaults, some of which come from the configuration; never secrets. */
  options(services: HandlerServices): Readonly<Record<string, unknown>>;
  /** Sends for real. `options` are complete and of the defaults' types. */
  run(
    options: Readonly<Record<string, unknown>>,
    services: HandlerServices,
    attempt: TestAttempt,
  ): Promise<TestResult>;
}

export interface TestAttempt {
  readonly kind: HandlerKind;
  /** Aborted when the test takes too long. */
  readonly signal: AbortSignal;
}

export interface TestResult {
  readonly success: boolean;
  /** Why it failed, without secrets; empty for a success. */
  readonly message: string;
}

export interface HandlerKind<Options = unknown> {
  /** As in handler files: `post`, `slack`, `pagerduty2`. */
  readonly kind: string;
  /** Go's name of the options in decode errors; default `*<kind>.HandlerConfig`. */
  readonly goType?: string;
  readonly doc: string;
  /** Closed object schema of the options; keys as users write them. */
  readonly options: TSchema;
  /** The configuration section whose `global = true` adds the handler to every alert node; absent when it has none. */
  readonly globalSection?: string;
  /** Sends outside the process? `publish` and `aggregate` do not, and run on every owner. */
  readonly external: boolean;
  /** The TICKscript property (`.post('url')…`) and how its call becomes options; absent when there is none. */
  readonly tick?: {
    readonly property: PropertySpec;
    optionsOf(call: PropertyCall): Readonly<Record<string, unknown>>;
  };
  /** Absent for kinds that talk to no service of their own. */
  readonly test?: HandlerTest;
  /** Checks beyond the schema; returns an error text or undefined. */
  check?(options: Options): string | undefined;
  /**
   * What this daemon's configuration says against them, asked when somebody defines the handler here. One that comes
   * from another member or from disk is attached all the same, and each send is refused until the configuration fits.
   */
  checkHere?(options: Options, services: HandlerServices): string | undefined;
  open(options: Options, services: HandlerServices): Handler;
}

/** Declares a handler kind. The cast is the one spot where a registry forgets the options' type. */
export function defineHandler<Options>(kind: HandlerKind<Options>): HandlerKind {
  return kind as HandlerKind;
}
