/** Writes every point and batch that passes to the log, unchanged otherwise. */

import { formatTime } from "#lib/time.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { Calls } from "../calls.ts";
import { defineNode, type NodeContext, QUIET } from "../node.ts";
import { value } from "../properties.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";

type Level = "debug" | "info" | "error";
type Fields = Record<string, unknown>;

interface Options {
  readonly level: Level;
  readonly prefix: string;
}

export const log = defineNode<Options>({
  method: "log",
  goType: "*pipeline.LogNode",
  wants: "either",
  provides: "same",
  doc: "Logs the points that pass.",
  properties: [
    value("level", "string", "DEBUG, INFO, WARN or ERROR; WARN and unknown ones log as info."),
    value("prefix", "string", "Put into every line as prefix=."),
    QUIET,
  ],

  options({ calls: made }) {
    const calls = new Calls(made);
    const level = (calls.string("level") ?? "INFO").toLowerCase();
    return {
      level: level === "debug" || level === "error" ? level : "info",
      prefix: calls.string("prefix") ?? "",
    };
  },

  start: (options, context) => new LogNode(options, context),
});

class LogNode extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
  }

  override point(group: Group, point: Point): void {
    const { name, db, rp } = point.series;
    const fields: Fields = { prefix: this.#options.prefix, name, db, rp, group: group.id };
    group.dimensions.tagNames.forEach((tag, i) => {
      fields[`dimension_${i}`] = tag;
    });
    this.#write("point", { ...fields, ...contentOf(point) });
    this.out.point(group, point);
  }

  override beginBatch(group: Group, begin: BatchBegin): void {
    const fields: Fields = { prefix: this.#options.prefix, name: begin.name, group: group.id };
    group.dimensions.tagNames.forEach((tag, i) => {
      fields[`tag_${tag}`] = group.tagValues[i];
    });
    fields["time"] = formatTime(begin.tmaxMs, begin.tmaxNs);
    this.#write("begin batch", fields);
    this.out.beginBatch(group, begin);
  }

  override batchPoint(group: Group, point: Point): void {
    this.#write("batch point", { prefix: this.#options.prefix, ...contentOf(point) });
    this.out.batchPoint(group, point);
  }

  override endBatch(group: Group): void {
    this.#write("end batch", { prefix: this.#options.prefix });
    this.out.endBatch(group);
  }

  #write(message: string, fields: Fields): void {
    this.#context.log(this.#options.level, message, fields);
  }
}

function contentOf(point: Point): Fields {
  const fields: Fields = {};
  point.series.tagKeys.forEach((key, i) => {
    fields[`tag_${key}`] = point.series.tagValues[i];
  });
  for (const name of point.shape.sortedNames) fields[`field_${name}`] = point.field(name);
  fields["time"] = formatTime(point.timeMs, point.timeNs);
  return fields;
}
