/**
 * Posts of httpPost nodes: endpoints out of the configuration, requests with a time limit.
 *
 * Endpoints are read from the configuration in force, so a change through the API counts at once. Blocked
 * addresses are not reached, and no error text holds what a URL or a header keeps secret.
 */

import { readFileSync, statSync } from "node:fs";
import type { HttppostConfig } from "#config/sections/transports.ts";
import type { HttpPoster, PostAnswer, PostEndpoint, PostRequest } from "#engine/outside-ports.ts";
import type { AddressGuard } from "#handlers/allowed-address.ts";
import { connectionError, fetchGuarded } from "#handlers/http-sender.ts";
import { secretsOfUrl, withoutSecrets } from "#handlers/secrets.ts";
import type { Clock } from "#lib/clock.ts";
import { POST_ANSWER_BYTES_MAX, POST_MS_MAX, ROW_TEMPLATE_BYTES_MAX } from "./limits.ts";

export interface PostOptions {
  /** The `[[httppost]]` elements in force. */
  endpoints(): readonly HttppostConfig[];
  readonly clock: Clock;
  readonly guard: AddressGuard;
}

export class OutsidePosts implements HttpPoster {
  readonly #options: PostOptions;
  /** Made once per element; a changed element is another object. */
  readonly #known = new WeakMap<HttppostConfig, PostEndpoint>();

  constructor(options: PostOptions) {
    this.#options = options;
  }

  endpoint(name: string): PostEndpoint | undefined {
    const element = this.#options.endpoints().find(({ endpoint }) => endpoint === name);
    if (element === undefined) return undefined;
    let known = this.#known.get(element);
    if (known === undefined) {
      known = endpointOf(element);
      this.#known.set(element, known);
    }
    return known;
  }

  async post(request: PostRequest, signal: AbortSignal): Promise<PostAnswer> {
    const { url, headers, body } = request;
    const { protocol } = URL.parse(url) ?? { protocol: "" };
    const secrets = [...secretsOfUrl(url), ...Object.values(headers).filter((v) => v.length >= 6)];
    if (protocol !== "http:" && protocol !== "https:") {
      throw new Error(withoutSecrets(`invalid url ${JSON.stringify(url)}`, secrets));
    }
    const limitMs = request.timeoutMs > 0 ? request.timeoutMs : POST_MS_MAX;
    const late = new AbortController();
    const cancel = this.#options.clock.after(limitMs, () =>
      late.abort(new Error(`no answer within ${limitMs / 1000}s`)),
    );
    const both = AbortSignal.any([signal, late.signal]);
    try {
      const sent = { service: "httpPost", accepts: [], url, headers, body };
      const answer = await fetchGuarded(this.#options.guard, sent, both);
      return { status: answer.status, body: await beginning(answer) };
    } catch (error) {
      throw new Error(withoutSecrets(connectionError(error, both), secrets), { cause: error });
    } finally {
      cancel();
    }
  }
}

function endpointOf(element: HttppostConfig): PostEndpoint {
  const { username, password } = element["basic-auth"];
  const pair = Buffer.from(`${username}:${password}`).toString("base64");
  const isNamed = username !== "" && password !== "";
  return {
    url: element.url,
    headers: {
      ...element.headers,
      ...(isNamed ? { Authorization: `Basic ${pair}` } : {}),
    },
    rowTemplate: element["row-template"] || readTemplate(element["row-template-file"]),
  };
}

function readTemplate(path: string): string {
  if (path === "") return "";
  if (statSync(path).size > ROW_TEMPLATE_BYTES_MAX) {
    throw new Error(`template file ${path} is too large`);
  }
  return readFileSync(path, "utf8");
}

/** The beginning of the body; the rest is not read. */
async function beginning(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = answer.body?.getReader();
  while (reader !== undefined && size < POST_ANSWER_BYTES_MAX) {
    const { done, value } = await reader.read();
    if (done) break;
    chunks.push(value);
    size += value.length;
  }
  if (size >= POST_ANSWER_BYTES_MAX) await reader?.cancel();
  return new TextDecoder().decode(Buffer.concat(chunks).subarray(0, POST_ANSWER_BYTES_MAX));
}
