/**
 * `post`: the event as an HTTP request, to a URL or to an endpoint named in the configuration (`[[httppost]]`).
 *
 * Without a template the body is the event's JSON; with one it is what the template makes of it, and no content
 * type is set. Handler headers override the endpoint's. Reference alerts.md §9.
 */

import type { Static } from "@sinclair/typebox";
import { postTemplateData } from "#alert/data.ts";
import {
  type Delivery,
  defineHandler,
  type Handler,
  type HandlerServices,
} from "#alert/handler.ts";
import {
  durationOption,
  flagOption,
  optionsSchema,
  textMapOption,
  textOption,
} from "#alert/options.ts";
import type { Outcome } from "#alert/outcome.ts";
import { Calls, strings } from "#engine/calls.ts";
import { flag, method, value } from "#engine/properties.ts";
import { JSON_FUNCTIONS } from "#template/functions.ts";
import { parseTextTemplate, type Template } from "#template/template.ts";
import type { PropertyCall } from "#tick/environment.ts";
import { withEventJson } from "./event-json.ts";
import { JSON_HEADERS, sendHttp } from "./http-sender.ts";
import { TEMPLATE_FILE_MAX } from "./limits.ts";
import { rejectingTemplateErrors } from "./option-template.ts";
import { type SectionReader, sectionElements } from "./section-reader.ts";
import { sendsEvent } from "./self-test.ts";
import { defined, textPairs } from "./tick-options.ts";
import { NO_VERIFICATION } from "./tls-settings.ts";

const options = optionsSchema({
  url: textOption("Where to post; may contain template actions."),
  endpoint: textOption("Name of a [[httppost]] element; wins over url."),
  headers: textMapOption("Headers; override the endpoint's."),
  "capture-response": flagOption("Show the answer's body in error texts."),
  timeout: durationOption("Time limit of the request; 0 = the delivery's own."),
  "skip-ssl-verification": flagOption("Accept any certificate."),
});

type PostOptions = Static<typeof options>;

export const post = defineHandler<PostOptions>({
  kind: "post",
  goType: "*httppost.HandlerConfig",
  doc: "Posts the event as JSON, or as a template makes it, to a URL or a named endpoint.",
  options,
  external: true,
  test: {
    service: "httppost",
    options: () => ({
      endpoint: "example",
      url: "http://localhost:3000/",
      headers: { Auth: "secret" },
      timeout: 0,
    }),
    run: sendsEvent((given) => ({
      options: {
        endpoint: given.text("endpoint"),
        url: given.text("url"),
        headers: given.textMap("headers"),
        timeout: given.number("timeout"),
      },
      event: { message: "test httppost message" },
    })),
  },
  tick: {
    property: {
      name: "post",
      params: ["string"],
      optional: 1,
      doc: "Posts events to a URL or a named endpoint.",
      opens: {
        goType: "*pipeline.AlertHTTPPostHandler",
        properties: [
          value("endpoint", "string", "Name of a [[httppost]] element."),
          method("header", ["string", "string"], "Adds a header."),
          flag("captureResponse", "Show the answer's body in error texts."),
          value("timeout", "duration", "Time limit of the request."),
          flag("skipSSLVerification", "Accept any certificate."),
        ],
      },
    },
    optionsOf: inlineOptions,
  },
  check({ url, endpoint, headers }) {
    if ((url ?? "") === "" && (endpoint ?? "") === "") {
      return "An appropriately formatted url must be specified if an endpoint is not specified";
    }
    const refused = Object.keys(headers ?? {}).find(
      (name) => name.toLowerCase() === "authenticate",
    );
    return refused === undefined ? undefined : "cannot set 'authenticate' header";
  },
  open: (given, services) => new PostHandler(given, services),
});

function inlineOptions(call: PropertyCall): Readonly<Record<string, unknown>> {
  const calls = new Calls(call.calls);
  return defined({
    url: strings(call.args)[0],
    endpoint: calls.string("endpoint"),
    headers: textPairs(call, "header"),
    "capture-response": calls.flag("captureResponse") || undefined,
    timeout: calls.duration("timeout"),
    "skip-ssl-verification": calls.flag("skipSSLVerification") || undefined,
  });
}

/** What of a request is the same for all events. */
interface Sealed {
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

class PostHandler implements Handler {
  readonly #options: PostOptions;
  readonly #services: HandlerServices;
  /** Where there is no endpoint, whose configuration may change. */
  #sealed: Sealed | undefined;
  /** Parsed templates by source, so that a changed configuration is noticed. */
  readonly #templates = new Map<string, Template>();

  constructor(given: PostOptions, services: HandlerServices) {
    this.#options = given;
    this.#services = services;
  }

  send(delivery: Delivery, signal: AbortSignal): Promise<Outcome> {
    return rejectingTemplateErrors(async () => {
      const endpoint = this.#endpoint();
      if (endpoint === undefined && (this.#options.url ?? "") === "") {
        const name = JSON.stringify(this.#options.endpoint ?? "");
        return {
          kind: "rejected",
          error: `no httppost endpoint ${name} is configured, and no url is given`,
        };
      }
      const template = endpoint && (await bodyTemplate(endpoint));
      if (template !== undefined) {
        const body = this.#render(template.source, template.hasJson, delivery);
        return this.#post(endpoint, delivery, { body, isJson: false }, signal);
      }
      return withEventJson(delivery, (body) =>
        this.#post(endpoint, delivery, { body, isJson: true }, signal),
      );
    });
  }

  #endpoint(): SectionReader | undefined {
    const name = this.#options.endpoint ?? "";
    if (name === "") return undefined;
    const all = sectionElements(this.#services, "httppost");
    return all.find((element) => element.text("endpoint") === name);
  }

  #post(
    endpoint: SectionReader | undefined,
    delivery: Delivery,
    content: { readonly body: string; readonly isJson: boolean },
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { timeout = 0 } = this.#options;
    const { headers, secrets } =
      endpoint === undefined ? this.#own() : this.#seal(endpoint, content.isJson);
    const url = this.#render(endpoint?.text("url") ?? this.#options.url ?? "", true, delivery);
    const skips = this.#options["skip-ssl-verification"] === true;
    const limit = Number(timeout) / 1e6;
    return withTimeLimit(this.#services, limit, signal, (limited) =>
      sendHttp(
        this.#services,
        {
          ...{ service: "post", accepts: [], url, headers, body: content.body, secrets },
          hidesBody: this.#options["capture-response"] !== true,
          ...(skips ? { tls: NO_VERIFICATION } : {}),
        },
        limited,
      ),
    );
  }

  #own(): Sealed {
    this.#sealed ??= this.#seal(undefined, true);
    return this.#sealed;
  }

  #seal(endpoint: SectionReader | undefined, isJson: boolean): Sealed {
    const auth = basicAuth(endpoint);
    const headers = {
      ...endpoint?.textMap("headers"),
      ...this.#options.headers,
      ...auth.headers,
      ...(isJson ? JSON_HEADERS : {}),
    };
    // Any header may hold a token; short values (a version, a flag) would only garble the text.
    const tokens = Object.values(headers).filter((value) => value.length >= 6);
    return { headers, secrets: [...tokens, ...auth.secrets] };
  }

  #render(source: string, hasJson: boolean, delivery: Delivery): string {
    if (!source.includes("{{")) return source;
    const key = `${hasJson}${source}`;
    let template = this.#templates.get(key);
    if (template === undefined) {
      const functions = hasJson ? JSON_FUNCTIONS : {};
      template = parseTextTemplate(source, { name: "body", functions });
      // One body and one URL are in use at a time; older ones belong to an earlier configuration.
      if (this.#templates.size >= 4) this.#templates.clear();
      this.#templates.set(key, template);
    }
    return template.render(postTemplateData(delivery));
  }
}

/** The endpoint's body template; a file is read anew for each event, so an edit counts at once. */
async function bodyTemplate(
  endpoint: SectionReader,
): Promise<{ readonly source: string; readonly hasJson: boolean } | undefined> {
  const inline = endpoint.text("alert-template");
  if (inline !== "") return { source: inline, hasJson: true };
  const path = endpoint.text("alert-template-file");
  if (path === "") return undefined;
  const file = Bun.file(path);
  if (file.size > TEMPLATE_FILE_MAX) throw new Error(`template file ${path} is too large`);
  return { source: await file.text(), hasJson: false };
}

function basicAuth(endpoint: SectionReader | undefined): {
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
} {
  const auth = endpoint?.table("basic-auth");
  const [username, password] = [auth?.text("username") ?? "", auth?.text("password") ?? ""];
  if (username === "" || password === "") return { headers: {}, secrets: [] };
  const token = Buffer.from(`${username}:${password}`).toString("base64");
  return { headers: { Authorization: `Basic ${token}` }, secrets: [password, token] };
}

/** Runs with a signal that also fires after `limitMs`; 0 = no limit of its own. */
async function withTimeLimit(
  services: HandlerServices,
  limitMs: number,
  signal: AbortSignal,
  run: (signal: AbortSignal) => Promise<Outcome>,
): Promise<Outcome> {
  if (limitMs <= 0) return run(signal);
  const abort = new AbortController();
  const cancel = services.clock.after(limitMs, () =>
    abort.abort(new Error(`no answer within ${limitMs / 1000}s`)),
  );
  try {
    return await run(AbortSignal.any([signal, abort.signal]));
  } finally {
    cancel();
  }
}
