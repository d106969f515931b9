/**
 * An event's details as the default template `{{ json . }}` makes them, without running it.
 *
 * Nearly every task has the default, and it prints all that is known of an event: of the cost of raising one this was the
 * largest part. The text is JSON escaped for HTML, character by character, so escaped pieces may be joined; what is the
 * same for all events of a node or a shape is made once. Source: reference nodes.md §10.
 */

import { levelName } from "#alert/level.ts";
import { compareBytes, encodeJsonString } from "#lib/json.ts";
import { formatTime } from "#lib/time.ts";
import type { Point } from "#model/point.ts";
import type { Shape } from "#model/shape.ts";
import { htmlText } from "#template/html-escapers.ts";
import { TEMPLATE_OUTPUT_MAX } from "#template/limits.ts";
import { mapKeys } from "#template/values.ts";
import type { AlertSubject } from "./alert-texts.ts";

/** The template that this stands for. */
export const JSON_DETAILS = "{{ json . }}";

/** What of a text changes in JSON or in HTML. */
const SPECIAL = /[\u0000-\u001f"\\<>&'+\u2028\u2029\ud800-\udfff]/;

/** Fields in ascending byte order of their names, each with what stands before its value. */
interface Heads {
  readonly shape: Shape;
  readonly fields: readonly { readonly slot: number; readonly head: string }[];
}

export class JsonDetails {
  readonly #task: string;
  readonly #server: string;
  #heads: Heads | undefined;

  constructor(
    task: string,
    server: { readonly hostname: string; readonly clusterId: string; readonly serverId: string },
  ) {
    const { hostname, clusterId, serverId } = server;
    this.#task = `${key("TaskName")}${quoted(task)}`;
    const names =
      `${key("Hostname")}${quoted(hostname)},${key("ClusterID")}${quoted(clusterId)},` +
      `${key("ServerID")}${quoted(serverId)}`;
    this.#server = `${key("ServerInfo")}{${names}}`;
  }

  /**
   * `group` and `message` are the subject's texts. `undefined` when the template must say what is wrong: a number that
   * JSON has not, or too much text.
   */
  render(subject: AlertSubject, group: string, message: string): string | undefined {
    const { id, name, tags, point, level, time, duration } = subject;
    const fields = this.#fieldsOf(point);
    if (fields === undefined) return undefined;
    const text =
      `{${NAME}${quoted(name)},${this.#task},${GROUP}${quoted(group)},` +
      `${TAGS}${tagsText(tags)},${this.#server},${ID}${quoted(id)},${FIELDS}${fields},` +
      `${LEVEL}${quoted(levelName(level))},${TIME}${quoted(formatTime(time.ms, time.ns))},` +
      `${DURATION}${String(duration)},${MESSAGE}${quoted(message)}}\n`;
    return text.length > TEMPLATE_OUTPUT_MAX ? undefined : text;
  }

  #fieldsOf({ shape, values }: Point): string | undefined {
    if (this.#heads?.shape !== shape) this.#heads = headsOf(shape);
    let text = "{";
    for (const { slot, head } of this.#heads.fields) {
      const value = values[slot];
      const shown = typeof value === "number" ? numberText(value) : valueText(value);
      if (shown === undefined) return undefined;
      text += (text === "{" ? head : `,${head}`) + shown;
    }
    return `${text}}`;
  }
}

function key(name: string): string {
  return `${quoted(name)}:`;
}

const NAME = key("Name");
const GROUP = key("Group");
const TAGS = key("Tags");
const ID = key("ID");
const FIELDS = key("Fields");
const LEVEL = key("Level");
const TIME = key("Time");
const DURATION = key("Duration");
const MESSAGE = key("Message");

/** A JSON string, escaped. */
function quoted(text: string): string {
  return SPECIAL.test(text) ? htmlText(encodeJsonString(text)) : `&#34;${text}&#34;`;
}

function headsOf(shape: Shape): Heads {
  const names = [...shape.names].sort(compareBytes);
  return { shape, fields: names.map((name) => ({ slot: shape.slot(name), head: key(name) })) };
}

function tagsText(tags: Readonly<Record<string, string>>): string {
  let text = "{";
  for (const name of mapKeys(tags)) {
    text += `${text === "{" ? "" : ","}${key(name)}${quoted(tags[name] ?? "")}`;
  }
  return `${text}}`;
}

/** From here on numbers are written with an exponent: `1e+21`. */
const PLUS_FROM = 1e21;

function numberText(value: number): string | undefined {
  if (!Number.isFinite(value)) return undefined;
  if (Object.is(value, -0)) return "-0";
  const text = String(value);
  return Math.abs(value) < PLUS_FROM ? text : text.replaceAll("+", "&#43;");
}

function valueText(value: unknown): string | undefined {
  switch (typeof value) {
    case "string":
      return quoted(value);
    case "bigint":
    case "boolean":
      return String(value);
    default:
      return value === null || value === undefined ? "null" : undefined;
  }
}
