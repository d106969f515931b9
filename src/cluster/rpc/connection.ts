/**
 * One RPC connection: frames in and out, calls in flight, silence.
 *
 * It knows nothing of members or dialling; `RpcLinks` owns it and is told what happens. Writes are queued and joined,
 * one `write` per microtask; what the kernel does not take waits for `drained`, within a byte bound. Anything wrong
 * in the bytes ends this connection and nothing else.
 */

import type { Cancel, Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { WireError } from "../ports.ts";
import { FrameCutter, RPC_FRAMES } from "../transport/frame.ts";
import type { Hello } from "../transport/hello.ts";
import {
  DONE_SINCE_VERSION,
  decodeDoneCalls,
  decodePayload,
  decodeRpcFrame,
  encodeDoneFrame,
  encodePayload,
  encodeRpcFrame,
  PATIENT,
  type RpcFrame,
  type RpcHeader,
} from "./codec.ts";
import type { Call } from "./define-call.ts";
import { FRAME_SEAL_BYTES, type FrameSeal } from "./frame-seal.ts";
import {
  DEADLINE_MAX_MS,
  IN_FLIGHT_MAX,
  PATIENT_MAX,
  PING_AFTER_MS,
  SILENCE_MAX_MS,
  WRITE_JOIN_MAX,
  WRITE_QUEUE_MAX,
} from "./limits.ts";
import { RpcError } from "./rpc-error.ts";

/** The part of a socket that is used. `write` returns how many bytes were taken, negative when closed. */
export interface ByteSink {
  write(bytes: Uint8Array): number;
  /** Closes after what was written is delivered. */
  end(): void;
  /** Closes at once, for a peer that does not listen anyway. */
  abort(): void;
}

/** What the owner of a connection is asked and told. */
export interface ConnectionHost {
  readonly clock: Clock;
  callByNumber(number: number): Call | undefined;
  /** Frames until `greet` was called. Throws `WireError` to turn the peer away. */
  onHello(connection: RpcConnection, body: Uint8Array): void;
  /** Answers a request of a greeted peer; the parsed payload. Throws or rejects to refuse. */
  onCall(connection: RpcConnection, call: Call, payload: unknown): unknown | Promise<unknown>;
  /** A slot became free: a waiting call may go. */
  onRoom(connection: RpcConnection): void;
  /** A sealed frame could not be opened. */
  onBadSeal(connection: RpcConnection, reason: "unknown-key" | "bad-seal"): void;
  /** Once per connection, after its calls were failed. */
  onClosed(connection: RpcConnection, why: string): void;
  count(counter: string): void;
}

interface InFlight {
  readonly call: Call;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: RpcError) => void;
  /** When it is given up, monotonic ms. */
  readonly until: number;
}

export interface OutgoingCall {
  readonly call: Call;
  readonly payload: string;
  readonly timeoutMs: number;
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: RpcError) => void;
}

export class RpcConnection {
  readonly dialled: boolean;
  readonly #host: ConnectionHost;
  readonly #sink: ByteSink;
  readonly #cutter = new FrameCutter({
    firstMax: RPC_FRAMES.firstMax,
    max: RPC_FRAMES.max + FRAME_SEAL_BYTES,
  });
  #peer: Hello | undefined;
  #seal: FrameSeal | undefined;
  readonly #inFlight = new Map<number, InFlight>();
  /** Calls of the peer that are being answered, and until when it waits; deleted when cancelled. */
  readonly #answering = new Map<number, number>();
  #nextCall = 1;
  /** When calls in flight are looked at next, monotonic ms; not later than the first is to be given up. */
  #lookAt = Number.POSITIVE_INFINITY;
  #cancelLook: Cancel = () => {};
  /** Calls that are done, with nothing to say but that; one frame tells of all. */
  #done: number[] = [];
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #flushing = false;
  #blocked = false;
  #heardAt: number;
  #pinged = false;
  #closed = false;

  constructor(host: ConnectionHost, sink: ByteSink, dialled: boolean) {
    this.#host = host;
    this.#sink = sink;
    this.dialled = dialled;
    this.#heardAt = host.clock.monoMs();
  }

  /** The peer's HELLO, once it was accepted by the host. */
  get peer(): Hello | undefined {
    return this.#peer;
  }

  get isSealed(): boolean {
    return this.#seal !== undefined;
  }

  /** The host knows who the peer is. With a seal every further frame, both ways, is sealed. */
  greet(peer: Hello, seal: FrameSeal | undefined): void {
    this.#peer = peer;
    this.#seal = seal;
    this.#cutter.trust();
  }

  get isOpen(): boolean {
    return !this.#closed;
  }

  get hasRoom(): boolean {
    return this.#inFlight.size < IN_FLIGHT_MAX;
  }

  /** No call of ours or the peer's is under way. */
  get isIdle(): boolean {
    if (this.#inFlight.size > 0 || this.#answering.size > 0) return false;
    return this.#queue.length === 0 && this.#done.length === 0;
  }

  get silentMs(): number {
    return this.#host.clock.monoMs() - this.#heardAt;
  }

  /** Queues bytes that already are a frame. False when the connection is closed or its queue is full. */
  sendFrame(plain: Uint8Array): boolean {
    this.#sendDone();
    return this.#enqueue(plain);
  }

  #enqueue(plain: Uint8Array): boolean {
    if (this.#closed) return false;
    if (this.#queuedBytes + plain.length > WRITE_QUEUE_MAX) {
      this.#host.count("rpc_write_queue_full");
      return false;
    }
    // Only what is surely queued is sealed: the seal counts frames.
    const frame = this.#seal === undefined ? plain : this.#seal.seal(plain);
    if (frame === undefined) return false;
    this.#queue.push(frame);
    this.#queuedBytes += frame.length;
    if (!this.#flushing && !this.#blocked) {
      this.#flushing = true;
      queueMicrotask(() => this.#flush());
    }
    return true;
  }

  /** Starts a call; the caller has checked `hasRoom`. */
  sendCall(out: OutgoingCall): void {
    const number = this.#takeNumber();
    const deadlineMs = Math.min(Math.max(1, Math.ceil(out.timeoutMs)), DEADLINE_MAX_MS);
    const header: RpcHeader = { kind: "call", call: number, type: out.call.number, deadlineMs };
    let frame: Uint8Array;
    try {
      frame = encodeRpcFrame(header, out.payload);
    } catch (error) {
      out.reject(new RpcError("too-large", errorMessage(error)));
      return;
    }
    if (!this.sendFrame(frame)) {
      out.reject(new RpcError("full", `${out.call.name}: too many bytes are waiting`));
      return;
    }
    const until = this.#host.clock.monoMs() + deadlineMs;
    const { call, resolve, reject } = out;
    this.#inFlight.set(number, { call, resolve, reject, until });
    this.#lookBy(until);
  }

  /** False when it could not be queued. */
  sendOneWay(call: Call, payload: string): boolean {
    return this.sendFrame(
      encodeRpcFrame({ kind: "one-way", call: 0, type: call.number, deadlineMs: 0 }, payload),
    );
  }

  received(chunk: Uint8Array): void {
    if (this.#closed) return;
    this.#heardAt = this.#host.clock.monoMs();
    this.#pinged = false;
    try {
      this.#cutter.push(chunk, (body) => this.#frame(body));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
      if (this.#closed) return;
      this.#host.count("rpc_bad_frames");
      const tls = this.#peer === undefined && isTlsRecord(chunk);
      this.close(tls ? "it talks TLS ([rpc] tls-ca), this member does not" : error.message);
    }
  }

  /** The kernel takes bytes again. */
  drained(): void {
    this.#blocked = false;
    this.#flush();
  }

  /** Called every tick. `slept`: this process itself was away, so silence proves nothing. */
  tick(slept: boolean): void {
    if (this.#closed) return;
    if (slept) this.#heardAt = this.#host.clock.monoMs();
    this.#sendDone();
    this.#expireAnswers();
    const silent = this.silentMs;
    if (silent >= SILENCE_MAX_MS) {
      this.#host.count("rpc_silent_connections");
      this.close("silent for too long");
      this.#sink.abort();
    } else if (silent >= PING_AFTER_MS && !this.#pinged && this.#peer !== undefined) {
      this.#pinged = true;
      this.#sendBare("ping", 0);
    }
  }

  /** Fails what is in flight and tells the host; later calls do nothing. */
  close(why: string): void {
    if (this.#closed) return;
    this.#sendDone();
    this.#flushNow();
    this.#closed = true;
    this.#queue = [];
    this.#queuedBytes = 0;
    this.#answering.clear();
    const failed = [...this.#inFlight.values()];
    this.#inFlight.clear();
    this.#cancelLook();
    for (const { call, reject } of failed) {
      reject(new RpcError("lost", `${call.name}: connection lost: ${why}`));
    }
    this.#sink.end();
    this.#host.onClosed(this, why);
  }

  #frame(body: Uint8Array): void {
    if (this.#closed) return;
    if (this.#peer === undefined) {
      this.#host.onHello(this, body);
      return;
    }
    const plain = this.#seal === undefined ? body : this.#seal.open(body);
    if (typeof plain === "string") {
      this.#host.onBadSeal(this, plain);
      this.close(`sealed frame dropped: ${plain}`);
      return;
    }
    const frame = decodeRpcFrame(plain);
    switch (frame.kind) {
      case "call":
        this.#answerCall(frame);
        return;
      case "one-way":
        this.#takeOneWay(frame);
        return;
      case "answer":
      case "refusal":
        this.#settle(frame.call, frame.kind, frame.payload);
        return;
      case "done":
        for (const call of decodeDoneCalls(frame.payload)) this.#settle(call, "answer", NOTHING);
        return;
      case "cancel":
        this.#answering.delete(frame.call);
        return;
      case "ping":
        this.#sendBare("pong", frame.call);
        return;
      case "pong":
        return;
    }
  }

  #answerCall(frame: RpcFrame): void {
    if (this.#answering.has(frame.call)) throw new WireError(`call ${frame.call} is repeated`);
    const call = this.#host.callByNumber(frame.type);
    if (call === undefined) {
      this.#refuse(frame.call, new WireError(`unknown call type ${frame.type}`));
      return;
    }
    if (this.#answering.size >= IN_FLIGHT_MAX) {
      this.#host.count("rpc_calls_refused_full");
      this.#refuse(frame.call, new RpcError("busy", `${call.name}: too many calls in flight`));
      return;
    }
    const patience = frame.deadlineMs === 0 ? DEADLINE_MAX_MS : frame.deadlineMs;
    this.#answering.set(frame.call, this.#host.clock.monoMs() + patience);
    let result: unknown;
    try {
      const payload = call.parseRequest(decodePayload(frame.payload, call.exact));
      result = this.#host.onCall(this, call, payload);
    } catch (error) {
      this.#finish(frame.call, "refusal", error);
      return;
    }
    if (!(result instanceof Promise)) {
      this.#finish(frame.call, "answer", result);
      return;
    }
    void result.then(
      (answer) => this.#finish(frame.call, "answer", answer),
      (error) => this.#finish(frame.call, "refusal", error),
    );
  }

  /** Nobody waits for these any more, also when the peer's cancel did not come: their slots are free again. */
  #expireAnswers(): void {
    if (this.#answering.size === 0) return;
    const now = this.#host.clock.monoMs();
    for (const [call, until] of this.#answering) {
      if (until > now) continue;
      this.#answering.delete(call);
      this.#host.count("rpc_answers_expired");
    }
  }

  /** Sends the result of a call unless the caller gave up meanwhile. */
  #finish(call: number, kind: "answer" | "refusal", result: unknown): void {
    if (!this.#answering.delete(call)) {
      this.#host.count("rpc_answers_unwanted");
      return;
    }
    if (kind === "refusal") {
      this.#refuse(call, result);
      return;
    }
    const isPatient = result === PATIENT;
    if (isPatient || result == null) {
      this.#done.push(call);
      // Else with the next frame or the next tick.
      if (!isPatient || this.#done.length >= PATIENT_MAX) this.#sendDone();
      return;
    }
    try {
      const header: RpcHeader = { kind, call, type: 0, deadlineMs: 0 };
      this.sendFrame(encodeRpcFrame(header, encodePayload(result)));
    } catch (error) {
      this.#refuse(call, error);
    }
  }

  #sendDone(): void {
    if (this.#done.length === 0) return;
    const calls = this.#done;
    this.#done = [];
    if ((this.#peer?.versionMax ?? 0) >= DONE_SINCE_VERSION) {
      this.#enqueue(encodeDoneFrame(calls));
      return;
    }
    for (const call of calls) {
      this.#enqueue(encodeRpcFrame({ kind: "answer", call, type: 0, deadlineMs: 0 }, "null"));
    }
  }

  /** Bad payloads are refused for good; what a handler throws may be over at the next try. */
  #refuse(call: number, error: unknown): void {
    this.#host.count("rpc_calls_refused");
    const busy =
      error instanceof RpcError ? error.reason === "busy" : !(error instanceof WireError);
    const header: RpcHeader = { kind: "refusal", call, type: 0, deadlineMs: 0 };
    this.sendFrame(encodeRpcFrame(header, encodePayload({ error: errorMessage(error), busy })));
  }

  #takeOneWay(frame: RpcFrame): void {
    const call = this.#host.callByNumber(frame.type);
    if (call === undefined) {
      this.#host.count("rpc_unknown_one_way");
      return;
    }
    try {
      const payload = call.parseRequest(decodePayload(frame.payload, call.exact));
      const result = this.#host.onCall(this, call, payload);
      if (result instanceof Promise) result.catch(() => this.#host.count("rpc_one_way_failed"));
    } catch {
      this.#host.count("rpc_one_way_failed");
    }
  }

  #settle(number: number, kind: "answer" | "refusal", answer: Uint8Array): void {
    const waiting = this.#inFlight.get(number);
    if (waiting === undefined) {
      this.#host.count("rpc_answers_late");
      return;
    }
    this.#inFlight.delete(number);
    const { call, resolve, reject } = waiting;
    try {
      const payload = decodePayload(answer, call.exact);
      if (kind === "refusal") reject(refusalOf(payload));
      else resolve(call.parseAnswer(payload));
    } catch (error) {
      this.#host.count("rpc_bad_answers");
      reject(new RpcError("answered", `${call.name}: bad answer: ${errorMessage(error)}`));
    }
    this.#host.onRoom(this);
  }

  /** One timer serves all calls, and stays when they are answered: nearly all are, long before. */
  #lookBy(at: number): void {
    if (at >= this.#lookAt) return;
    this.#cancelLook();
    this.#lookAt = at;
    const wait = Math.max(0, at - this.#host.clock.monoMs());
    this.#cancelLook = this.#host.clock.after(wait, () => this.#expireCalls());
  }

  #expireCalls(): void {
    this.#lookAt = Number.POSITIVE_INFINITY;
    const now = this.#host.clock.monoMs();
    let next = Number.POSITIVE_INFINITY;
    for (const [number, { until }] of [...this.#inFlight]) {
      if (until <= now) this.#expire(number);
      else next = Math.min(next, until);
    }
    if (!this.#closed && next < Number.POSITIVE_INFINITY) this.#lookBy(next);
  }

  #expire(number: number): void {
    const waiting = this.#inFlight.get(number);
    if (waiting === undefined) return;
    this.#inFlight.delete(number);
    this.#host.count("rpc_calls_timed_out");
    this.#sendBare("cancel", number);
    waiting.reject(new RpcError("timeout", `${waiting.call.name}: no answer in time`));
    this.#host.onRoom(this);
  }

  #sendBare(kind: "ping" | "pong" | "cancel", call: number): void {
    this.sendFrame(encodeRpcFrame({ kind, call, type: 0, deadlineMs: 0 }, ""));
  }

  #takeNumber(): number {
    while (this.#inFlight.has(this.#nextCall)) this.#advance();
    const number = this.#nextCall;
    this.#advance();
    return number;
  }

  #advance(): void {
    this.#nextCall = this.#nextCall === 0xffffffff ? 1 : this.#nextCall + 1;
  }

  #flush(): void {
    this.#flushing = false;
    if (!this.#closed) this.#flushNow();
  }

  #flushNow(): void {
    while (this.#queue.length > 0 && !this.#blocked) {
      const bytes = this.#takeJoined();
      const taken = this.#sink.write(bytes);
      if (taken < 0) {
        this.#blocked = true;
        return;
      }
      this.#queuedBytes -= taken;
      if (taken < bytes.length) {
        this.#queue.unshift(bytes.subarray(taken));
        this.#blocked = true;
      }
    }
  }

  /** The next bytes to write: the first frame, joined with followers while all are small. */
  #takeJoined(): Uint8Array {
    let count = 0;
    let size = 0;
    for (const frame of this.#queue) {
      if (count > 0 && size + frame.length > WRITE_JOIN_MAX) break;
      size += frame.length;
      count++;
    }
    const taken = this.#queue.splice(0, count);
    const [only] = taken;
    return count === 1 && only !== undefined ? only : Buffer.concat(taken, size);
  }
}

/** The payload of an answer that is `null`. */
const NOTHING = new Uint8Array();

/** A handshake or an alert of TLS; no frame of ours may begin like that before the peer is trusted. */
function isTlsRecord(chunk: Uint8Array): boolean {
  return (chunk[0] === 0x15 || chunk[0] === 0x16) && chunk[1] === 3;
}

function refusalOf(payload: unknown): RpcError {
  if (typeof payload !== "object" || payload === null || !("error" in payload)) {
    return new RpcError("answered", "refused without a reason");
  }
  const busy = "busy" in payload && payload.busy === true;
  return new RpcError(busy ? "busy" : "answered", String(payload.error));
}
