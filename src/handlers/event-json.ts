/**
 * The event's JSON as a request body. A value that JSON cannot hold (NaN) makes the event undeliverable for good.
 */

import { encodeAlertData } from "#alert/data.ts";
import type { Delivery } from "#alert/handler.ts";
import type { Outcome } from "#alert/outcome.ts";
import { JsonValueError } from "#lib/json.ts";

/** Calls `send` with the JSON and its final newline; rejects what cannot be encoded. */
export async function withEventJson(
  delivery: Delivery,
  send: (json: string) => Promise<Outcome>,
): Promise<Outcome> {
  let json: string;
  try {
    json = `${encodeAlertData(delivery)}\n`;
  } catch (error) {
    if (error instanceof JsonValueError) return { kind: "rejected", error: error.message };
    throw error;
  }
  return send(json);
}
