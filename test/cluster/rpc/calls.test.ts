/** Payloads of calls: what one release writes the next must read, so the texts below never change. */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeTaskAnswer } from "#cluster/calls/ask-tasks.ts";
import { encodeBatch } from "#cluster/calls/deliver-alerts.ts";
import { encodeHandler } from "#cluster/calls/handler-payloads.ts";
import { encodePullAnswer } from "#cluster/calls/pull-completions.ts";
import { encodeReadAnswer } from "#cluster/calls/read-topics.ts";
import { CALLS } from "#cluster/calls/registry.ts";
import { encodeSilences } from "#cluster/calls/silence-payloads.ts";
import { encodeSyncTopicAnswer } from "#cluster/calls/sync-topic.ts";
import { encodeTask } from "#cluster/calls/task-payloads.ts";
import { decodePayload, encodePayload } from "#cluster/rpc/codec.ts";

interface Sample {
  readonly call: string;
  readonly part: "request" | "answer";
  /** The payload's text on the wire. */
  readonly wire: string;
}

const samples: readonly Sample[] = JSON.parse(
  readFileSync(join(import.meta.dir, "../../golden/cluster/rpc-calls.json"), "utf8"),
);

/** A writer takes what the call's reader gives. */
type Writer = (read: never) => unknown;

const definitions =
  (encode: (one: never) => unknown): Writer =>
  (read: readonly never[]) => ({ definitions: read.map(encode) });
const page =
  (encode: (one: never) => unknown): Writer =>
  (read: { readonly definitions: readonly never[] }) => ({
    ...read,
    definitions: read.definitions.map(encode),
  });

/** Calls that are written otherwise than they are read. */
const WRITERS: Readonly<Record<string, Writer>> = {
  "deliver-alerts request": encodeBatch,
  "pull-completions answer": encodePullAnswer,
  "push-handlers request": definitions(encodeHandler),
  "sync-handlers answer": page(encodeHandler),
  "sync-topic answer": encodeSyncTopicAnswer,
  "read-topics answer": encodeReadAnswer,
  "push-tasks request": definitions(encodeTask),
  "sync-tasks answer": page(encodeTask),
  "ask-tasks answer": encodeTaskAnswer,
  "push-silences request": (read: Parameters<typeof encodeSilences>[0]) => ({
    silences: encodeSilences(read),
  }),
  "sync-silences answer": (read: { readonly silences: Parameters<typeof encodeSilences>[0] }) => ({
    ...read,
    silences: encodeSilences(read.silences),
  }),
};

test("every call has golden texts of its request and of its answer, and only calls have", () => {
  const parts = new Set(samples.map(({ call, part }) => `${call} ${part}`));
  const wanted = CALLS.flatMap(({ name }) => [`${name} request`, `${name} answer`]);
  expect([...parts].sort()).toEqual(wanted.sort());
});

test.each(samples.map((sample) => [`${sample.call} ${sample.part}`, sample] as const))(
  "%s is read, and written as it was",
  (name, { call: callName, part, wire }) => {
    const call = CALLS.find((one) => one.name === callName);
    if (call === undefined) throw new Error("no such call");
    const payload = decodePayload(new TextEncoder().encode(wire), call.exact);
    const read = part === "request" ? call.parseRequest(payload) : call.parseAnswer(payload);
    const write = WRITERS[name] as ((read: unknown) => unknown) | undefined;
    expect(encodePayload(write === undefined ? read : write(read))).toBe(wire);
  },
);
