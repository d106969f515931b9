/**
 * Profiles in the form that `go tool pprof` and everything built around it reads: a gzip-packed protocol buffer.
 *
 * Only what a profile of named functions needs is written: samples with their stacks, functions, lines, one
 * mapping that says names are there, so that no reader looks for symbols. Source: the public profile.proto.
 */

/** What a sample's number means, such as `cpu` in `nanoseconds`. */
export interface SampleType {
  readonly type: string;
  readonly unit: string;
}

export interface Frame {
  readonly name: string;
  readonly file: string;
  /** From 1; 0 is unknown. */
  readonly line: number;
}

export interface Sample {
  /** Innermost first. */
  readonly stack: readonly Frame[];
  /** One whole number per sample type. */
  readonly values: readonly number[];
}

export interface Profile {
  readonly types: readonly SampleType[];
  readonly samples: readonly Sample[];
  /** Wall time at which it began, milliseconds since 1970. */
  readonly startMs: number;
  /** How long it took, milliseconds; 0 for a moment. */
  readonly durationMs: number;
  /** What one sample stands for; absent where nothing was sampled. */
  readonly period?: SampleType & { readonly value: number };
  readonly comments: readonly string[];
}

/** The profile as bytes, packed. */
export function encodePprof(profile: Profile): Uint8Array<ArrayBuffer> {
  const tables = new Tables();
  const out = new Message();
  for (const type of profile.types) out.message(1, sampleType(type, tables));
  for (const { stack, values } of profile.samples) {
    const sample = new Message();
    sample.packed(
      1,
      stack.map((frame) => tables.location(frame)),
    );
    sample.packed(2, values);
    out.message(2, sample);
  }
  out.message(3, mapping(tables));
  for (const location of tables.locations) out.message(4, location);
  for (const name of tables.functions) out.message(5, name);
  const { period } = profile;
  const comments = profile.comments.map((comment) => tables.text(comment));
  const periodType = period === undefined ? undefined : sampleType(period, tables);
  for (const text of tables.texts) out.text(6, text);
  out.number(9, profile.startMs * NS_PER_MS);
  out.number(10, profile.durationMs * NS_PER_MS);
  if (periodType !== undefined) out.message(11, periodType);
  out.number(12, period?.value ?? 0);
  out.packed(13, comments);
  return Bun.gzipSync(out.bytes());
}

const NS_PER_MS = 1_000_000;
const MAPPING = 1;

function sampleType({ type, unit }: SampleType, tables: Tables): Message {
  const message = new Message();
  message.number(1, tables.text(type));
  message.number(2, tables.text(unit));
  return message;
}

function mapping(tables: Tables): Message {
  const message = new Message();
  message.number(1, MAPPING);
  message.number(5, tables.text("kapacitor"));
  for (const has of [7, 8, 9]) message.number(has, 1);
  return message;
}

/** Texts, functions and locations, each written once and named by its number. */
class Tables {
  /** The first text is the empty one, whose number is 0. */
  readonly texts: string[] = [""];
  readonly functions: Message[] = [];
  readonly locations: Message[] = [];
  readonly #texts = new Map([["", 0]]);
  readonly #functions = new Map<string, number>();
  readonly #locations = new Map<string, number>();

  text(text: string): number {
    const known = this.#texts.get(text);
    if (known !== undefined) return known;
    const number = this.texts.push(text) - 1;
    this.#texts.set(text, number);
    return number;
  }

  location({ name, file, line }: Frame): number {
    const of = this.#function(name, file);
    const key = `${of}:${line}`;
    const known = this.#locations.get(key);
    if (known !== undefined) return known;
    const place = new Message();
    place.number(1, of);
    place.number(2, line);
    const message = new Message();
    const number = this.locations.push(message);
    message.number(1, number);
    message.number(2, MAPPING);
    message.message(4, place);
    this.#locations.set(key, number);
    return number;
  }

  #function(name: string, file: string): number {
    const key = JSON.stringify([name, file]);
    const known = this.#functions.get(key);
    if (known !== undefined) return known;
    const message = new Message();
    const number = this.functions.push(message);
    message.number(1, number);
    message.number(2, this.text(name));
    message.number(3, this.text(name));
    message.number(4, this.text(file));
    this.#functions.set(key, number);
    return number;
  }
}

const VARINT = 0;
const LENGTH = 2;

/** A protocol buffer message being written. Numbers are whole and not negative. */
class Message {
  readonly #out: number[] = [];

  /** Zero is what an absent field means. */
  number(field: number, value: number): void {
    if (value === 0) return;
    varint(this.#out, (field << 3) | VARINT);
    varint(this.#out, value);
  }

  text(field: number, text: string): void {
    this.#block(field, new TextEncoder().encode(text));
  }

  message(field: number, message: Message): void {
    this.#block(field, message.#out);
  }

  packed(field: number, values: readonly number[]): void {
    const block: number[] = [];
    for (const value of values) varint(block, value);
    if (block.length > 0) this.#block(field, block);
  }

  bytes(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#out);
  }

  #block(field: number, block: ArrayLike<number> & Iterable<number>): void {
    varint(this.#out, (field << 3) | LENGTH);
    varint(this.#out, block.length);
    // One by one: a call with all of a large block as arguments would overflow the stack.
    for (const byte of block) this.#out.push(byte);
  }
}

function varint(out: number[], value: number): void {
  let rest = BigInt(Math.max(0, Math.round(value)));
  while (rest > 127n) {
    out.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  out.push(Number(rest));
}
