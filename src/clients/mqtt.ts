/**
 * Publishes to an MQTT 3.1.1 broker over TCP, TLS or WebSocket, with a clean session.
 *
 * The connection is opened when first needed and never by itself again: two programs with one client ID would
 * otherwise push each other off the broker for ever.
 */

import type { MqttClient as Connection, IClientOptions } from "mqtt";
import type { Clock } from "#lib/clock.ts";
import { numberOf, refusal, SendError, trouble, troubleText } from "./send-error.ts";
import { abortable, SharedConnection } from "./shared-connection.ts";
import { readTlsFiles, type TlsFiles } from "./tls-files.ts";

export interface MqttSettings {
  /** `tcp://`, `mqtt://`, `ssl://`, `tls://`, `tcps://`, `mqtts://`, `ws://`, `wss://`. */
  readonly url: string;
  readonly clientId: string;
  /** Empty = anonymous. */
  readonly username: string;
  readonly password: string;
  readonly tls: TlsFiles;
}

export type MqttQos = 0 | 1 | 2;

export interface MqttMessage {
  readonly topic: string;
  readonly payload: string;
  readonly qos: MqttQos;
  readonly retain: boolean;
}

/** Unused connections are closed after this time, ms. */
const IDLE_MS = 60_000;

/** Connecting and the broker's welcome, ms. */
const CONNECT_TIMEOUT_MS = 15_000;

/** How often a silent broker is pinged, s; a dead one is noticed after one and a half of it. */
const KEEPALIVE_S = 15;

/** How long taking leave may last, ms. */
const LEAVE_TIMEOUT_MS = 2_000;

const SCHEMES: Readonly<Record<string, { readonly protocol: Protocol; readonly port: number }>> = {
  "tcp:": { protocol: "mqtt", port: 1883 },
  "mqtt:": { protocol: "mqtt", port: 1883 },
  "ssl:": { protocol: "mqtts", port: 8883 },
  "tls:": { protocol: "mqtts", port: 8883 },
  "tcps:": { protocol: "mqtts", port: 8883 },
  "mqtts:": { protocol: "mqtts", port: 8883 },
  "ws:": { protocol: "ws", port: 80 },
  "wss:": { protocol: "wss", port: 443 },
};
type Protocol = "mqtt" | "mqtts" | "ws" | "wss";

export class MqttClient {
  readonly #settings: MqttSettings;
  readonly #clock: Clock;
  readonly #shared: SharedConnection<Connection>;

  constructor(settings: MqttSettings, clock: Clock) {
    this.#settings = settings;
    this.#clock = clock;
    this.#shared = new SharedConnection({
      clock,
      idleMs: IDLE_MS,
      open: () => this.#open(),
      close: (connection) => this.#leave(connection),
      isAlive: (connection) => connection.connected,
    });
  }

  /**
   * Resolves when the broker acknowledged the message (QoS 1 and 2) or it was written (QoS 0); else throws
   * `SendError` or the signal's reason.
   */
  publish(message: MqttMessage, signal: AbortSignal): Promise<void> {
    return this.#shared.use((connection) => this.#publish(connection, message, signal), signal);
  }

  /** Waits for messages under way, then disconnects. */
  close(): Promise<void> {
    return this.#shared.close();
  }

  async #open(): Promise<Connection> {
    const options = await this.#options();
    const { connect } = await import("mqtt");
    const connection = connect(options);
    // One listener per message under way; the senders bound how many those are.
    connection.setMaxListeners(0);
    try {
      await welcomed(connection);
      return connection;
    } catch (error) {
      connection.end(true);
      throw asSendError(error);
    }
  }

  async #options(): Promise<IClientOptions> {
    const { url, clientId, username, password, tls } = this.#settings;
    const parsed = URL.parse(url);
    const scheme = SCHEMES[parsed?.protocol ?? ""];
    if (parsed === null || scheme === undefined || parsed.hostname === "") {
      throw refusal("invalid broker url: it must be tcp://, ssl:// or ws:// with a host");
    }
    const { protocol } = scheme;
    const isSecure = protocol === "mqtts" || protocol === "wss";
    const user = username === "" ? decoded(parsed.username) : username;
    const pass = username === "" ? decoded(parsed.password) : password;
    return {
      protocol,
      host: parsed.hostname.replace(/^\[(.*)\]$/, "$1"),
      port: parsed.port === "" ? scheme.port : Number(parsed.port),
      ...(protocol.startsWith("ws") ? { path: parsed.pathname + parsed.search } : {}),
      ...(isSecure ? await readTlsFiles(tls) : {}),
      ...(user === "" ? {} : { username: user, password: pass }),
      clientId,
      clean: true,
      protocolVersion: 4,
      keepalive: KEEPALIVE_S,
      connectTimeout: CONNECT_TIMEOUT_MS,
      reconnectPeriod: 0,
      queueQoSZero: false,
      resubscribe: false,
      timerVariant: "native",
    };
  }

  async #publish(
    connection: Connection,
    { topic, payload, qos, retain }: MqttMessage,
    signal: AbortSignal,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const lost = (): void => reject(trouble("connection closed"));
    connection.once("close", lost);
    connection.publish(topic, payload, { qos, retain }, (error) =>
      error ? reject(asSendError(error)) : resolve(),
    );
    try {
      await abortable(promise, signal);
    } finally {
      connection.off("close", lost);
    }
  }

  #leave(connection: Connection): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(LEAVE_TIMEOUT_MS, () => {
        connection.end(true);
        resolve();
      });
      connection.end(false, {}, () => {
        cancel();
        resolve();
      });
    });
  }
}

/** A part of a URL as its writer meant it; as it is when its escapes are broken. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function welcomed(connection: Connection): Promise<void> {
  return new Promise((resolve, reject) => {
    connection.once("connect", () => resolve());
    // Stays: an error without a listener would be thrown at the whole process.
    connection.on("error", reject);
    connection.once("close", () => reject(trouble("connection closed")));
  });
}

/** The broker's answers to a connection attempt that are worth repeating. */
const SERVER_UNAVAILABLE = 3;

function asSendError(error: unknown): SendError {
  if (error instanceof SendError) return error;
  const code = numberOf(error, "code");
  const isRefusal = code !== undefined && code > 0 && code !== SERVER_UNAVAILABLE;
  return isRefusal ? refusal(troubleText(error), error) : trouble(troubleText(error), error);
}
