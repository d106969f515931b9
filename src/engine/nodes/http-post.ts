/**
 * Posts every point or batch to a URL and passes it on when the answer is there.
 *
 * The task does not wait: posts are made beside it, those of one group one after the other, and data goes on in its
 * order once it was posted, also when the post failed (counted; `codeField` is 0 without an answer). When too
 * many messages wait (limits.ts) further ones are dropped and counted as `posts_dropped`. A stop waits for what
 * is under way, for a bounded time. Source: reference nodes.md §6.
 */

import { errorMessage } from "#lib/errors.ts";
import { encodeJson } from "#lib/json.ts";
import type { Group } from "#model/group.ts";
import type { Point } from "#model/point.ts";
import { type Row, rowOfBatch, rowOfPoint } from "#model/result.ts";
import { JSON_FUNCTIONS } from "#template/functions.ts";
import { parseTextTemplate, type Template } from "#template/template.ts";
import { GoDuration, GoFloat, GoStruct, GoTime, stringMap } from "#template/values.ts";
import { argument, Calls, strings, timerMs } from "../calls.ts";
import { FieldWriter } from "../field-writer.ts";
import { type Counter, defineNode, type NodeContext, QUIET } from "../node.ts";
import type { PostEndpoint } from "../outside-ports.ts";
import { PostQueue } from "../post-queue.ts";
import { flag, method, value } from "../properties.ts";
import { type BatchBegin, Forwarding } from "../receiver.ts";

interface Options {
  /** Template; "" when an endpoint is named. */
  readonly url: string;
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly codeField: string;
  readonly captureResponse: boolean;
  /** 0 = none of its own. */
  readonly timeoutMs: number;
}

export const httpPost = defineNode<Options>({
  method: "httpPost",
  desc: "http_post",
  goType: "*pipeline.HTTPPostNode",
  wants: "either",
  provides: "same",
  rest: "string",
  mustDrain: true,
  doc: "Posts points and batches as JSON to a URL or to an endpoint of the configuration.",
  properties: [
    value("endpoint", "string", "Name of a [[httppost]] element. Excludes a URL."),
    method("header", ["string", "string"], "Adds a header."),
    value("codeField", "string", "Field that gets the status of the answer."),
    flag("captureResponse", "Shows the answer's body when the status is an error."),
    value("timeout", "duration", "Time limit of a post."),
    QUIET,
  ],

  options({ args, calls: made }) {
    if (args.length > 1) {
      throw new Error(`httpPost expects 0 or 1 arguments, got ${args.length}`);
    }
    const calls = new Calls(made);
    const url = strings(args)[0] ?? "";
    const endpoint = calls.string("endpoint") ?? "";
    if (url === "" && endpoint === "") throw new Error("must provide url or endpoint");
    if (url !== "" && endpoint !== "") {
      throw new Error("only one endpoint and url may be specified");
    }
    return {
      url,
      endpoint,
      headers: readHeaders(calls),
      codeField: calls.string("codeField") ?? "",
      captureResponse: calls.flag("captureResponse"),
      timeoutMs: Math.max(0, timerMs(calls.duration("timeout") ?? 0)),
    };
  },

  start: (options, context) => new HttpPost(options, context),
});

function readHeaders(calls: Calls): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const args of calls.all("header")) {
    const name = argument(args, 0, "string").value;
    if (name.toLowerCase() === "authenticate") {
      throw new Error("cannot set 'authenticate' header");
    }
    headers[name] = argument(args, 1, "string").value;
  }
  return headers;
}

/** One message as it is posted. */
interface Content {
  readonly row: Row;
  /** For templates. */
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly points: readonly Point[];
}

/** Templates in use at a time: one URL, one body. Older ones belong to an earlier configuration. */
const TEMPLATES_MAX = 4;

class HttpPost extends Forwarding {
  readonly #options: Options;
  readonly #context: NodeContext;
  readonly #queue: PostQueue;
  readonly #stop = new AbortController();
  readonly #templates = new Map<string, Template>();
  readonly #code: FieldWriter | undefined;
  readonly #dropped: Counter;
  #begin: BatchBegin | undefined;
  #points: Point[] = [];

  constructor(options: Options, context: NodeContext) {
    super(context.out);
    this.#options = options;
    this.#context = context;
    this.#code = options.codeField === "" ? undefined : new FieldWriter(options.codeField, "int");
    this.#dropped = context.counter("posts_dropped");
    this.#queue = new PostQueue({ resume: (run) => context.resume(run) });
    context.figure("posts_waiting", () => this.#queue.waiting);
    const { url, rowTemplate } = this.#target();
    this.#template(url);
    if (rowTemplate !== "") this.#template(rowTemplate);
    context.onStop(() => {
      this.#dropped.value += this.#queue.close();
      this.#stop.abort(new Error("the task was stopped"));
    });
  }

  override point(group: Group, point: Point): void {
    const tags = (): Readonly<Record<string, string>> => point.series.tags();
    const content = (): Content => ({
      row: rowOfPoint(point),
      name: point.series.name,
      tags: tags(),
      points: [point],
    });
    this.#post(group, 1, content, (code) => this.out.point(group, this.#coded(point, code)));
  }

  override beginBatch(_group: Group, begin: BatchBegin): void {
    this.#begin = begin;
    this.#points = [];
  }

  override batchPoint(_group: Group, point: Point): void {
    this.#points.push(point);
  }

  override endBatch(group: Group): void {
    const begin = this.#begin;
    const points = this.#points;
    this.#points = [];
    if (begin === undefined) return;
    const { name } = begin;
    const content = (): Content => ({
      row: rowOfBatch(name, group, points),
      name,
      tags: group.series.tags(),
      points,
    });
    this.#post(group, points.length, content, (code) => {
      this.out.beginBatch(group, begin);
      for (const point of points) this.out.batchPoint(group, this.#coded(point, code));
      this.out.endBatch(group);
    });
  }

  override barrier(group: Group, ms: number, ns: number): void {
    const taken = this.#queue.follow(() => this.out.barrier(group, ms, ns), { always: false });
    if (!taken) this.#dropped.value++;
  }

  /** Never dropped: what nodes below keep for the group would stay. */
  override deleteGroup(group: Group): void {
    this.#queue.follow(() => this.out.deleteGroup(group), { always: true });
  }

  override finish(): void {
    this.#queue.follow(() => this.out.finish(), { always: true });
    if (this.#queue.waiting > 0) this.#context.drains(this.#queue.emptied());
  }

  #post(
    group: Group,
    points: number,
    content: () => Content,
    forward: (code: number) => void,
  ): void {
    const { held } = this.#context;
    let code = 0;
    const taken = this.#queue.add({
      group,
      points,
      run: async () => {
        code = await this.#send(content);
      },
      deliver: () => {
        held.release(points);
        forward(code);
      },
    });
    if (taken) {
      held.add(points);
      return;
    }
    this.#dropped.value++;
    this.#context.error("failed to POST data", new Error("too many posts are waiting"));
  }

  /** The status, or 0 without an answer. Never rejects. */
  async #send(content: () => Content): Promise<number> {
    try {
      const { services } = this.#context;
      const target = this.#target();
      const made = content();
      const answer = await services.posts.post(
        {
          url: this.#render(target.url, made),
          ...this.#body(target, made),
          timeoutMs: this.#options.timeoutMs,
        },
        this.#stop.signal,
      );
      if (answer.status < 200 || answer.status > 299) this.#refused(answer.status, answer.body);
      return answer.status;
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        this.#context.error("failed to POST data", errorMessage(error));
      }
      return 0;
    }
  }

  #refused(status: number, body: string): void {
    const shown = this.#options.captureResponse ? { code: status, body } : { code: status };
    this.#context.error("POST returned non 2xx status code", `status ${status}`, shown);
  }

  #target(): PostEndpoint {
    const { url, endpoint } = this.#options;
    if (endpoint === "") return { url, headers: {}, rowTemplate: "" };
    const found = this.#context.services.posts.endpoint(endpoint);
    if (found === undefined) {
      throw new Error(`no httppost endpoint ${JSON.stringify(endpoint)} is configured`);
    }
    return found;
  }

  #body(
    { headers, rowTemplate }: PostEndpoint,
    content: Content,
  ): { readonly body: string; readonly headers: Readonly<Record<string, string>> } {
    const own = { ...headers, ...this.#options.headers };
    if (rowTemplate !== "") return { body: this.#render(rowTemplate, content), headers: own };
    const named = Object.keys(own).some((name) => name.toLowerCase() === "content-type");
    return {
      body: `${encodeJson({ series: [content.row] })}\n`,
      headers: named ? own : { "Content-Type": "application/json", ...own },
    };
  }

  #render(source: string, content: Content): string {
    return source.includes("{{") ? this.#template(source).render(templateData(content)) : source;
  }

  #template(source: string): Template {
    let template = this.#templates.get(source);
    if (template === undefined) {
      template = parseTextTemplate(source, { name: "row", functions: JSON_FUNCTIONS });
      if (this.#templates.size >= TEMPLATES_MAX) this.#templates.clear();
      this.#templates.set(source, template);
    }
    return template;
  }

  #coded(point: Point, code: number): Point {
    return this.#code === undefined ? point : this.#code.write(point, code);
  }
}

/** `.Name`, `.Tags` and `.Values`: one map per point, with `time`, fields, and tags that are not the group's. */
function templateData({ name, tags, points }: Content): GoStruct {
  const values = points.map((point) => {
    const { names, types } = point.shape;
    const held: Record<string, unknown> = {};
    point.series.tagKeys.forEach((key, i) => {
      if (!Object.hasOwn(tags, key)) held[key] = point.series.tagValues[i];
    });
    names.forEach((field, slot) => {
      const of = point.values[slot];
      const type = types[slot];
      if (type === "float") held[field] = new GoFloat(of as number);
      else held[field] = type === "duration" ? new GoDuration(of as number | bigint) : of;
    });
    held["time"] = new GoTime({ ms: point.timeMs, ns: point.timeNs });
    return held;
  });
  return new GoStruct("httppost.row", { Name: name, Tags: stringMap(tags), Values: values });
}
