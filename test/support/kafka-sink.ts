/**
 * A broker of one's own for tests: speaks enough of Kafka's protocol for a producer (ApiVersions, Metadata, Produce,
 * SASL), keeps what is produced and answers whatever errors a test wants.
 *
 * Source: the public protocol guide of Apache Kafka (message formats of ApiVersions v0, Metadata v1, Produce v3,
 * SaslHandshake v1, SaslAuthenticate v0, record batches of magic 2) and RFC 5802 (SCRAM).
 */

import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from "node:crypto";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

export interface KafkaRecord {
  readonly topic: string;
  readonly partition: number;
  /** `null` = none. */
  readonly key: string | null;
  readonly value: string;
}

export interface KafkaSinkOptions {
  /** Partitions of every topic; default 1. */
  readonly partitions?: number;
  readonly tls?: { readonly cert: string; readonly key: string };
  readonly sasl?: {
    readonly mechanism: "PLAIN" | "SCRAM-SHA-256" | "SCRAM-SHA-512" | "OAUTHBEARER";
    readonly username?: string;
    readonly password?: string;
    readonly token?: string;
  };
}

const API = { produce: 0, metadata: 3, saslHandshake: 17, apiVersions: 18, saslAuthenticate: 36 };
type ApiName = keyof typeof API;

/** Key, lowest and highest version. */
const VERSIONS: readonly (readonly [number, number, number])[] = [
  [API.produce, 3, 3],
  [API.metadata, 1, 1],
  [API.apiVersions, 0, 0],
];
const SASL_VERSIONS: typeof VERSIONS = [
  [API.saslHandshake, 1, 1],
  [API.saslAuthenticate, 0, 0],
];

export class KafkaSink {
  readonly records: KafkaRecord[] = [];
  /** Names of the requests, in order of arrival. */
  readonly requests: ApiName[] = [];
  /** `acks` of the produce requests. */
  readonly acks: number[] = [];
  connections = 0;
  /** What OAUTHBEARER clients sent, with its separators as `|`. */
  bearer = "";
  /** Error code of each produce request; 0 = none. `hang` = no answer, `close` = the connection ends. */
  produceError: () => number | "hang" | "close" = () => 0;
  /** Error code of each topic in metadata. */
  metadataError: () => number = () => 0;
  /** Where metadata says that the broker is; default its own port. */
  advertisedPort: number | undefined;
  readonly #options: KafkaSinkOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #waiting: (() => void)[] = [];

  private constructor(options: KafkaSinkOptions) {
    this.#options = options;
    const serve = (socket: Socket): void => this.#serve(socket);
    this.#server = options.tls ? createTlsServer(options.tls, serve) : createServer(serve);
    this.#server.on("tlsClientError", () => {});
  }

  /** On a free port, or the one given. */
  static async open(options: KafkaSinkOptions = {}, port = 0): Promise<KafkaSink> {
    const sink = new KafkaSink(options);
    await new Promise<void>((resolve, reject) => {
      sink.#server.once("error", reject);
      sink.#server.listen(port, "127.0.0.1", resolve);
    });
    return sink;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `localhost:${this.port}`;
  }

  get openConnections(): number {
    return this.#sockets.size;
  }

  /** Resolves when `condition` holds; looked at after each request and each end of a connection. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.#server.listening) await new Promise((resolve) => this.#server.close(resolve));
  }

  #changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    this.connections++;
    const session: Session = { isKnown: this.#options.sasl === undefined, scram: undefined };
    let rest = Buffer.alloc(0);
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#sockets.delete(socket);
      this.#changed();
    });
    socket.on("data", (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
        const size = rest.readInt32BE(0);
        this.#request(socket, session, new Reader(rest.subarray(4, 4 + size)));
        rest = rest.subarray(4 + size);
      }
    });
  }

  #request(socket: Socket, session: Session, reader: Reader): void {
    const key = reader.int16();
    reader.int16();
    const correlation = reader.int32();
    reader.text();
    const name = NAMES.get(key);
    if (name === undefined) throw new Error(`unknown request ${key}`);
    this.requests.push(name);
    const body = this.#answer(name, session, reader);
    this.#changed();
    if (body === "hang") return;
    if (body === "close") {
      socket.destroy();
      return;
    }
    const answer = new Writer().int32(correlation).raw(body);
    socket.write(new Writer().int32(answer.bytes().length).raw(answer).bytes());
  }

  #answer(name: ApiName, session: Session, reader: Reader): Writer | "hang" | "close" {
    switch (name) {
      case "apiVersions": {
        const versions = [...VERSIONS, ...(this.#options.sasl ? SASL_VERSIONS : [])];
        return new Writer()
          .int16(0)
          .list(versions, (out, [key, low, high]) => out.int16(key).int16(low).int16(high));
      }
      case "saslHandshake":
        return this.#handshake(reader.text() ?? "");
      case "saslAuthenticate":
        return this.#authenticate(session, reader.bytes());
      case "metadata":
        return session.isKnown ? this.#metadata(reader) : "close";
      case "produce":
        return session.isKnown ? this.#produce(reader) : "close";
    }
  }

  #metadata(reader: Reader): Writer {
    const topics = reader.list(() => reader.text() ?? "");
    const partitions = Array.from({ length: this.#options.partitions ?? 1 }, (_, id) => id);
    const error = this.metadataError();
    return new Writer()
      .list([1], (out, id) =>
        out
          .int32(id)
          .text("localhost")
          .int32(this.advertisedPort ?? this.port)
          .text(null),
      )
      .int32(1)
      .list(topics, (out, topic) =>
        out
          .int16(error)
          .text(topic)
          .byte(0)
          .list(partitions, (part, id) =>
            part
              .int16(0)
              .int32(id)
              .int32(1)
              .list([1], (o, replica) => o.int32(replica))
              .list([1], (o, replica) => o.int32(replica)),
          ),
      );
  }

  #produce(reader: Reader): Writer | "hang" | "close" {
    reader.text();
    this.acks.push(reader.int16());
    reader.int32();
    const error = this.produceError();
    const written: { readonly topic: string; readonly partitions: readonly number[] }[] = [];
    reader.list(() => {
      const topic = reader.text() ?? "";
      const partitions = reader.list(() => {
        const partition = reader.int32();
        const records = recordsIn(reader.bytes());
        if (error === 0) this.records.push(...records.map((one) => ({ topic, partition, ...one })));
        return partition;
      });
      written.push({ topic, partitions });
    });
    if (typeof error === "string") return error;
    return new Writer()
      .list(written, (out, { topic, partitions }) =>
        out
          .text(topic)
          .list(partitions, (part, id) => part.int32(id).int16(error).int64(0n).int64(-1n)),
      )
      .int32(0);
  }

  #handshake(mechanism: string): Writer {
    const offered = this.#options.sasl?.mechanism ?? "";
    return new Writer()
      .int16(mechanism === offered ? 0 : UNSUPPORTED_MECHANISM)
      .list([offered], (out, name) => out.text(name));
  }

  #authenticate(session: Session, given: Buffer): Writer {
    const answer = this.#judge(session, given);
    if (answer !== undefined) return new Writer().int16(0).text(null).blob(answer);
    return new Writer().int16(AUTHENTICATION_FAILED).text("who are you?").blob(Buffer.alloc(0));
  }

  /** The server's next message, or `undefined` when the client is refused. */
  #judge(session: Session, given: Buffer): Buffer | undefined {
    const { mechanism, username = "", password = "", token = "" } = this.#options.sasl ?? {};
    const empty = Buffer.alloc(0);
    switch (mechanism) {
      case "PLAIN":
        session.isKnown = given.toString() === `\0${username}\0${password}`;
        return session.isKnown ? empty : undefined;
      case "OAUTHBEARER":
        this.bearer = given.toString().replaceAll("\x01", "|");
        session.isKnown = this.bearer.includes(`|auth=Bearer ${token}|`);
        return session.isKnown ? empty : undefined;
      case "SCRAM-SHA-256":
      case "SCRAM-SHA-512": {
        if (session.scram === undefined) {
          session.scram = new Scram(mechanism === "SCRAM-SHA-256" ? "sha256" : "sha512", password);
          return session.scram.first(given.toString());
        }
        const last = session.scram.last(given.toString());
        session.isKnown = last !== undefined;
        return last;
      }
      default:
        return undefined;
    }
  }
}

const UNSUPPORTED_MECHANISM = 33;
const AUTHENTICATION_FAILED = 58;

const NAMES: ReadonlyMap<number, ApiName> = new Map([
  [API.produce, "produce"],
  [API.metadata, "metadata"],
  [API.saslHandshake, "saslHandshake"],
  [API.apiVersions, "apiVersions"],
  [API.saslAuthenticate, "saslAuthenticate"],
]);

interface Session {
  isKnown: boolean;
  scram: Scram | undefined;
}

/** The server's side of one SCRAM conversation. */
class Scram {
  readonly #hash: "sha256" | "sha512";
  readonly #salted: Buffer;
  readonly #salt = Buffer.from("a salt of the sink");
  #spoken = "";

  constructor(hash: "sha256" | "sha512", password: string) {
    this.#hash = hash;
    const size = hash === "sha256" ? 32 : 64;
    this.#salted = pbkdf2Sync(password, this.#salt, 4096, size, hash);
  }

  first(message: string): Buffer {
    const bare = message.replace(/^n,[^,]*,/, "");
    const nonce = /r=([^,]*)/.exec(bare)?.[1] ?? "";
    const answer = `r=${nonce}sink,s=${this.#salt.toString("base64")},i=4096`;
    this.#spoken = `${bare},${answer}`;
    return Buffer.from(answer);
  }

  /** `undefined` when the proof is wrong. */
  last(message: string): Buffer | undefined {
    const [head = "", proof = ""] = message.split(",p=");
    const said = `${this.#spoken},${head}`;
    const clientKey = this.#hmac(this.#salted, "Client Key");
    const signature = this.#hmac(createHash(this.#hash).update(clientKey).digest(), said);
    const want = clientKey.map((byte, i) => byte ^ (signature[i] ?? 0));
    const given = Buffer.from(proof, "base64");
    if (given.length !== want.length || !timingSafeEqual(given, want)) return undefined;
    const server = this.#hmac(this.#hmac(this.#salted, "Server Key"), said);
    return Buffer.from(`v=${server.toString("base64")}`);
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest();
  }
}

/** Records of one batch of magic 2, uncompressed. */
function recordsIn(
  batch: Buffer,
): readonly { readonly key: string | null; readonly value: string }[] {
  const reader = new Reader(batch);
  reader.skip(8 + 4 + 4);
  const magic = reader.int8();
  if (magic !== 2) throw new Error(`record batch of magic ${magic}`);
  reader.skip(4 + 2 + 4 + 8 + 8 + 8 + 2 + 4);
  return reader.list(() => {
    reader.varint();
    reader.skip(1);
    reader.varint();
    reader.varint();
    const key = reader.varBytes();
    const value = reader.varBytes();
    for (let headers = reader.varint(); headers > 0; headers--) {
      reader.varBytes();
      reader.varBytes();
    }
    return { key: key?.toString() ?? null, value: value?.toString() ?? "" };
  });
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  skip(count: number): void {
    this.#at += count;
  }

  int8(): number {
    return this.#bytes.readInt8(this.#at++);
  }

  int16(): number {
    this.#at += 2;
    return this.#bytes.readInt16BE(this.#at - 2);
  }

  int32(): number {
    this.#at += 4;
    return this.#bytes.readInt32BE(this.#at - 4);
  }

  /** Zigzag. */
  varint(): number {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.#bytes.readUInt8(this.#at++);
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) break;
    }
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  varBytes(): Buffer | null {
    const length = this.varint();
    return length < 0 ? null : this.#take(length);
  }

  text(): string | null {
    const length = this.int16();
    return length < 0 ? null : this.#take(length).toString();
  }

  bytes(): Buffer {
    return this.#take(Math.max(0, this.int32()));
  }

  list<T>(item: () => T): readonly T[] {
    return Array.from({ length: Math.max(0, this.int32()) }, item);
  }

  #take(length: number): Buffer {
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

class Writer {
  readonly #parts: Buffer[] = [];

  bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  raw(other: Writer): this {
    return this.#add(other.bytes());
  }

  byte(value: number): this {
    return this.#add(Buffer.of(value));
  }

  int16(value: number): this {
    const bytes = Buffer.alloc(2);
    bytes.writeInt16BE(value);
    return this.#add(bytes);
  }

  int32(value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return this.#add(bytes);
  }

  int64(value: bigint): this {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64BE(value);
    return this.#add(bytes);
  }

  text(value: string | null): this {
    if (value === null) return this.int16(-1);
    const bytes = Buffer.from(value);
    return this.int16(bytes.length).#add(bytes);
  }

  blob(value: Buffer): this {
    return this.int32(value.length).#add(value);
  }

  list<T>(items: readonly T[], item: (out: Writer, value: T) => Writer): this {
    this.int32(items.length);
    for (const value of items) item(this, value);
    return this;
  }

  #add(bytes: Buffer): this {
    this.#parts.push(bytes);
    return this;
  }
}
