/**
 * The bytes of RPC frames; the only place that knows how payloads are encoded (JSON today).
 *
 * Body: `kind u8 · call number u32 · call type u16 · deadline ms u32 · payload`, big-endian. A frame is built with
 * its length prefix in one buffer, so that sending copies once. Source: reference gossip.md §4.2; `done` is ours: calls
 * that were answered with nothing, told of together (payload: their numbers, u32 each).
 */

import { errorMessage } from "#lib/errors.ts";
import { parseJson } from "#lib/json.ts";
import { WireError } from "../ports.ts";
import { FRAME_PREFIX, RPC_FRAMES, writeFrameLength } from "../transport/frame.ts";

/** The number on the wire is the position, from 1. */
const KINDS = ["call", "answer", "refusal", "one-way", "cancel", "ping", "pong", "done"] as const;
export type RpcFrameKind = (typeof KINDS)[number];

export interface RpcHeader {
  readonly kind: RpcFrameKind;
  /** Chosen by the caller, unique among its calls in flight; 0 where there is no call. */
  readonly call: number;
  /** Call type; 0 for kinds without one. */
  readonly type: number;
  /** How long the caller waits, in ms; 0 for kinds without it. */
  readonly deadlineMs: number;
}

export interface RpcFrame extends RpcHeader {
  /** A view into the received bytes. */
  readonly payload: Uint8Array;
}

export const RPC_HEADER_BYTES = 11;
const CALL_NUMBER_BYTES = 4;

/** A complete frame, length prefix included. Throws `WireError` when the payload is too large for a frame. */
export function encodeRpcFrame(header: RpcHeader, payload: string): Uint8Array {
  const out = frameWith(header, Buffer.byteLength(payload));
  if (payload !== "") out.write(payload, FRAME_PREFIX + RPC_HEADER_BYTES);
  return out;
}

/** Lowest protocol version of a peer that reads `done` frames. */
export const DONE_SINCE_VERSION = 2;

/** A complete frame that answers these calls with nothing. */
export function encodeDoneFrame(calls: readonly number[]): Uint8Array {
  const header: RpcHeader = { kind: "done", call: 0, type: 0, deadlineMs: 0 };
  const out = frameWith(header, calls.length * CALL_NUMBER_BYTES);
  let at = FRAME_PREFIX + RPC_HEADER_BYTES;
  for (const call of calls) at = out.writeUInt32BE(call, at);
  return out;
}

/** The calls that such a frame answers. Throws `WireError` unless the payload is whole numbers of calls. */
export function decodeDoneCalls(payload: Uint8Array): readonly number[] {
  if (payload.length % CALL_NUMBER_BYTES !== 0) {
    throw new WireError(`rpc frame with call numbers of ${payload.length} bytes`);
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const calls: number[] = [];
  for (let at = 0; at < payload.length; at += CALL_NUMBER_BYTES) calls.push(view.getUint32(at));
  return calls;
}

function frameWith(header: RpcHeader, payloadBytes: number): Buffer {
  const length = RPC_HEADER_BYTES + payloadBytes;
  if (length > RPC_FRAMES.max) throw new WireError(`payload of ${length} bytes is too large`);
  const out = Buffer.allocUnsafe(FRAME_PREFIX + length);
  writeFrameLength(out, 0, length);
  out[FRAME_PREFIX] = KINDS.indexOf(header.kind) + 1;
  out.writeUInt32BE(header.call, FRAME_PREFIX + 1);
  out.writeUInt16BE(header.type, FRAME_PREFIX + 5);
  out.writeUInt32BE(header.deadlineMs, FRAME_PREFIX + 7);
  return out;
}

/** Reads a frame body. Throws `WireError` on anything that is none. */
export function decodeRpcFrame(body: Uint8Array): RpcFrame {
  if (body.length < RPC_HEADER_BYTES) throw new WireError(`rpc frame of ${body.length} bytes`);
  const kind = KINDS[(body[0] ?? 0) - 1];
  if (kind === undefined) throw new WireError(`rpc frame of unknown kind ${body[0]}`);
  const view = new DataView(body.buffer, body.byteOffset);
  return {
    kind,
    call: view.getUint32(1),
    type: view.getUint16(5),
    deadlineMs: view.getUint32(7),
    payload: body.subarray(RPC_HEADER_BYTES),
  };
}

/** A payload that goes to several members: its text is made once, when it is first asked for. */
export class EncodedPayload {
  readonly #payload: unknown;
  #text: string | undefined;

  constructor(payload: unknown) {
    this.#payload = payload;
  }

  /** Throws `WireError` for what JSON cannot say. */
  get text(): string {
    this.#text ??= encodePayload(this.#payload);
    return this.#text;
  }
}

/** Answers a call with nothing, in no hurry: it leaves with the next frame to that member, or a moment later. */
export const PATIENT = Symbol("patient");

/** Payload text; bigints are written with all their digits. Throws `WireError` for what JSON cannot say. */
export function encodePayload(payload: unknown): string {
  if (payload instanceof EncodedPayload) return payload.text;
  try {
    return JSON.stringify(payload) ?? "null";
  } catch {
    try {
      return JSON.stringify(payload, exactNumbers) ?? "null";
    } catch (error) {
      throw new WireError(`payload cannot be encoded: ${errorMessage(error)}`);
    }
  }
}

/** Throws `WireError` unless the bytes are UTF-8 JSON; no bytes mean `null`. */
export function decodePayload(payload: Uint8Array, exact: boolean): unknown {
  if (payload.length === 0) return null;
  let text: string;
  try {
    text = utf8.decode(payload);
  } catch {
    throw new WireError("payload is not UTF-8");
  }
  if (exact) {
    const parsed = parseJson(text);
    if (!parsed.ok) throw new WireError(`payload is not JSON: ${parsed.error}`);
    return parsed.value;
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new WireError(`payload is not JSON: ${errorMessage(error)}`);
  }
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

function exactNumbers(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? rawJson(String(value)) : value;
}

/** `JSON.rawJSON` is in the runtime but not yet in the compiler's library. */
function rawJson(text: string): unknown {
  const raw = (JSON as { rawJSON?: (text: string) => unknown }).rawJSON;
  return raw === undefined ? text : raw(text);
}
