/**
 * An event as handlers show it to the world: the JSON that `post`, `log`, `tcp`, `exec` send, and the data
 * that handler templates see.
 *
 * The JSON's keys and their order are fixed; clients compare bodies byte by byte.
 */

import { encodeJson, encodePlainJson, isPlainNumber } from "#lib/json.ts";
import { formatTime } from "#lib/time.ts";
import type { Cell, Row } from "#model/result.ts";
import { GoDuration, GoFloat, GoStruct, GoTime, stringMap } from "#template/values.ts";
import type { AlertEvent } from "./event.ts";
import type { Delivery } from "./handler.ts";
import { type Level, levelName } from "./level.ts";

/** Texts kept for the other handlers of a topic, which send the same event at about the same time. */
const ENCODED_MAX = 64;

interface Encoded {
  readonly event: AlertEvent;
  readonly previousLevel: Level;
  readonly json: string;
}

const encoded: (Encoded | undefined)[] = new Array(ENCODED_MAX).fill(undefined);
let nextEncoded = 0;

/** The event's JSON without a final newline. Throws `JsonValueError` when a value is NaN or infinite. */
export function encodeAlertData(delivery: Delivery): string {
  const { event, previousLevel } = delivery;
  const known = encoded.find((one) => one?.event === event && one.previousLevel === previousLevel);
  if (known !== undefined) return known.json;
  const data = alertData(delivery);
  const json = isPlain(event) ? encodePlainJson(data) : encodeJson(data);
  encoded[nextEncoded] = { event, previousLevel, json };
  nextEncoded = (nextEncoded + 1) % ENCODED_MAX;
  return json;
}

/** Of what an event's JSON shows only its numbers may need more than the runtime's own encoder. */
function isPlain({ duration, series }: AlertEvent): boolean {
  if (typeof duration === "bigint" || !isPlainNumber(duration)) return false;
  return series === null || series.every(({ values = [] }) => values.every(areCellsPlain));
}

function areCellsPlain(cells: readonly Cell[]): boolean {
  for (const cell of cells) {
    if (typeof cell === "number" ? !isPlainNumber(cell) : typeof cell === "bigint") return false;
  }
  return true;
}

/** The object behind it, keys in wire order. */
export function alertData({ event, previousLevel }: Delivery): Readonly<Record<string, unknown>> {
  return {
    id: event.id,
    message: event.message,
    details: event.details,
    time: formatTime(event.time.ms, event.time.ns),
    duration: event.duration,
    level: levelName(event.level),
    data: resultData(event),
    previousLevel: levelName(previousLevel),
    recoverable: event.recoverable,
  };
}

/** `{"series":[…]}`, the result rows alone. */
export function resultData(event: AlertEvent): Readonly<Record<string, unknown>> {
  return { series: event.series };
}

/** What templates in handler options see: `{{ .ID }}`, `{{ .Message }}`, `{{ index .Tags "host" }}`. */
export function handlerTemplateData({ event }: Delivery): GoStruct {
  return new GoStruct("alert.templateData", {
    ID: event.id,
    Message: event.message,
    Level: levelName(event.level),
    Time: new GoTime(event.time),
    Duration: new GoDuration(event.duration),
    Details: event.details,
    Name: event.name,
    TaskName: event.taskName,
    Group: event.group,
    Tags: stringMap(event.tags),
    Fields: templateFields(event),
  });
}

/** Fields with floats marked as such, as far as the event knows its fields' types. */
export function templateFields(event: AlertEvent): Readonly<Record<string, unknown>> {
  const types = event.fieldTypes;
  if (types === undefined) return event.fields;
  return Object.fromEntries(
    Object.entries(event.fields).map(([name, value]) => {
      if (types[name] === "float" && typeof value === "number") return [name, new GoFloat(value)];
      if (types[name] !== "duration") return [name, value];
      const isInt = typeof value === "number" || typeof value === "bigint";
      return [name, isInt ? new GoDuration(value) : value];
    }),
  );
}

/** What `alert-template`s of HTTP endpoints see: the event's JSON under Go's names. */
export function postTemplateData({ event, previousLevel }: Delivery): GoStruct {
  return new GoStruct("alert.Data", {
    ID: event.id,
    Message: event.message,
    Details: event.details,
    Time: new GoTime(event.time),
    Duration: new GoDuration(event.duration),
    Level: levelName(event.level),
    Data: new GoStruct("models.Result", { Series: event.series?.map(rowData) ?? null }),
    PreviousLevel: levelName(previousLevel),
    Recoverable: event.recoverable,
  });
}

function rowData(row: Row): GoStruct {
  return new GoStruct("models.Row", {
    Name: row.name ?? "",
    Tags: stringMap(row.tags ?? {}),
    Columns: row.columns ?? [],
    Values: row.values ?? [],
  });
}
