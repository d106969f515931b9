/**
 * Produces messages to a Kafka cluster, one request each, acknowledged by all in-sync replicas.
 *
 * The library finds partition leaders and follows them when they move; connections are kept while they are used.
 */

import type { KafkaConfig, Producer, SASLOptions } from "kafkajs";
import type { Clock } from "#lib/clock.ts";
import { type PartitionAlgorithm, PartitionSpread, partitionOf } from "./kafka-partition.ts";
import { type OauthSettings, OauthToken } from "./oauth-token.ts";
import { refusal, SendError, textOf, trouble, troubleText } from "./send-error.ts";
import { abortable, SharedConnection } from "./shared-connection.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

export interface KafkaSettings {
  /** `host:port` each; at least one. */
  readonly brokers: readonly string[];
  /** Of connecting and of each request, ms. */
  readonly timeoutMs: number;
  /** `undefined` = plain text. */
  readonly tls: TlsFiles | undefined;
  readonly sasl: KafkaSasl | undefined;
  /** By which hash of its key a message is placed; `undefined` = spread evenly. */
  readonly partitionBy: PartitionAlgorithm | undefined;
}

export type KafkaSasl =
  | {
      readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
      readonly username: string;
      readonly password: string;
    }
  | {
      readonly mechanism: "oauthbearer";
      /** A token that does not change, or how to get one. */
      readonly token: string | OauthSettings;
      readonly extensions: Readonly<Record<string, string>>;
    };

export interface KafkaMessage {
  readonly topic: string;
  /** Empty = none; the message is then spread. */
  readonly key: string;
  readonly value: string;
}

/** Unused connections are closed after this time, ms. */
const IDLE_MS = 60_000;

/** How long taking leave may last, ms. The library waits for answers it still expects, up to its own time limit. */
const LEAVE_TIMEOUT_MS = 2_000;

/** All in-sync replicas. */
const ACKS_ALL = -1;

/** Pause between the library's own attempts to find a broker that answers, ms. */
const NEXT_BROKER_MS = 50;

/** Attempts of the library in one go; more brokers than this are not all asked at once. */
const BROKER_ATTEMPTS_MAX = 8;

export class KafkaClient {
  readonly #settings: KafkaSettings;
  readonly #clock: Clock;
  readonly #shared: SharedConnection<Producer>;
  readonly #spread = new PartitionSpread();

  constructor(settings: KafkaSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#shared = new SharedConnection({
      clock,
      idleMs: IDLE_MS,
      open: () => this.#open(),
      close: (producer) => this.#leave(producer),
      // The library itself connects again.
      isAlive: () => true,
    });
  }

  /** Resolves when the cluster has the message; else throws `SendError` or the signal's reason. */
  send(message: KafkaMessage, signal: AbortSignal): Promise<void> {
    return this.#shared.use((producer) => this.#send(producer, message, signal), signal);
  }

  /** Waits for messages under way, then disconnects. */
  close(): Promise<void> {
    return this.#shared.close();
  }

  async #open(): Promise<Producer> {
    const { Kafka, logLevel } = await import("kafkajs");
    const { brokers, timeoutMs, tls, sasl } = this.#settings;
    const retries = Math.min(brokers.length, BROKER_ATTEMPTS_MAX);
    const config: KafkaConfig = {
      clientId: "kapacitor",
      brokers: [...brokers],
      connectionTimeout: timeoutMs,
      authenticationTimeout: timeoutMs,
      requestTimeout: timeoutMs,
      logLevel: logLevel.NOTHING,
      logCreator: () => () => {},
      retry: { retries, initialRetryTime: NEXT_BROKER_MS, maxRetryTime: 4 * NEXT_BROKER_MS },
      ...(tls === undefined ? {} : { ssl: { ...(await readTlsFiles(tls)) } }),
      ...(sasl === undefined ? {} : { sasl: this.#sasl(sasl) }),
    };
    const producer = new Kafka(config).producer({ createPartitioner: () => this.#partitioner() });
    try {
      await producer.connect();
      return producer;
    } catch (error) {
      void this.#leave(producer);
      throw asSendError(error);
    }
  }

  #leave(producer: Producer): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(LEAVE_TIMEOUT_MS, resolve);
      const left = (): void => {
        cancel();
        resolve();
      };
      producer.disconnect().then(left, left);
    });
  }

  #partitioner() {
    const { partitionBy } = this.#settings;
    return (to: {
      readonly topic: string;
      readonly partitionMetadata: readonly { readonly partitionId: number }[];
      readonly message: { readonly key?: unknown; readonly value: unknown };
    }): number => {
      const ids = to.partitionMetadata.map(({ partitionId }) => partitionId).sort((a, b) => a - b);
      const key = bytesOf(to.message.key);
      const index =
        partitionBy === undefined || key.length === 0
          ? this.#spread.next(to.topic, ids.length, key.length + bytesOf(to.message.value).length)
          : partitionOf(partitionBy, key, ids.length);
      return ids[index] ?? 0;
    };
  }

  #sasl(sasl: KafkaSasl): SASLOptions {
    if (sasl.mechanism !== "oauthbearer") {
      const { mechanism, username, password } = sasl;
      return { mechanism, username, password };
    }
    const { token, extensions } = sasl;
    const source = typeof token === "string" ? undefined : new OauthToken(token, this.#clock);
    return {
      mechanism: "oauthbearer",
      oauthBearerProvider: async () => {
        const value = source === undefined ? String(token) : await source.get();
        const answer = { value, extensions };
        return answer;
      },
    };
  }

  async #send(
    producer: Producer,
    { topic, key, value }: KafkaMessage,
    signal: AbortSignal,
  ): Promise<void> {
    const message = { key: key === "" ? null : key, value };
    const sending = producer.send({
      topic,
      acks: ACKS_ALL,
      timeout: this.#settings.timeoutMs,
      messages: [message],
    });
    try {
      await abortable(sending, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw asSendError(error);
    }
  }
}

function bytesOf(value: unknown): Uint8Array<ArrayBuffer> {
  if (typeof value === "string") return new TextEncoder().encode(value);
  return value instanceof Uint8Array ? new Uint8Array(value) : new Uint8Array();
}

/** Protocol errors that the library calls final, though a cluster in motion gives them too. */
const PASSING = new Set([
  "UNKNOWN",
  "BROKER_NOT_AVAILABLE",
  "ILLEGAL_SASL_STATE",
  "NOT_CONTROLLER",
]);

function asSendError(error: unknown): SendError {
  const root = rootOf(error);
  if (root instanceof SendError) return root;
  const [name, type] = [textOf(root, "name"), textOf(root, "type")];
  const text = type === "" ? troubleText(root) : `${type}: ${troubleText(root)}`;
  const isTimeout = name === "KafkaJSTimeout" || name === "KafkaJSLockTimeout";
  const isFinal = Reflect.get(Object(root), "retriable") === false;
  if (isFinal && !isTimeout && !PASSING.has(type)) return refusal(text, root);
  return trouble(text, root);
}

/** The error inside the library's "gave up" and "will not repeat" wrappings. */
function rootOf(error: unknown): unknown {
  let at = error;
  // Wrappings are at most a few deep; the bound only guards against a ring.
  for (let depth = 0; depth < 8; depth++) {
    if (at instanceof SendError || !(at instanceof Error)) return at;
    const wraps = /^KafkaJS(NumberOfRetriesExceeded|NonRetriableError)$/.test(at.name);
    if (!wraps || at.cause === undefined || at.cause === null) return at;
    at = at.cause;
  }
  return at;
}
