/**
 * A route as data: method, path, documentation and the function that answers.
 *
 * Resources are lists of routes; `app.ts` puts them into Elysia, `openapi.ts` prints them. Schemas describe
 * queries and bodies for the OpenAPI document; bodies whose refusals have exact texts are checked where
 * they are read.
 */

import type { TSchema } from "@sinclair/typebox";
import type { Principal } from "#auth/permissions.ts";
import type { HttpServices } from "./services.ts";

export type Method = "GET" | "POST" | "PATCH" | "PUT" | "DELETE" | "HEAD";

/** One request, with what the path said. */
export interface Call {
  readonly request: Request;
  /** Values of `:name` parts and of a final `*`, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** Path and query as sent, with the preview prefix replaced by the stable one. */
  readonly uri: string;
  /** Who asks; an administrator where authentication is off. */
  readonly user: Principal;
  /** Keeps a long answer (a log stream) from being cut by the idle timeout. */
  keepOpen(): void;
}

export type Answerer = (call: Call, services: HttpServices) => Response | Promise<Response>;

export interface Route {
  readonly method: Method;
  /** Below the API root: `/tasks`, `/tasks/*` (the whole subtree), `/alerts/topics/:topic/handlers`. */
  readonly path: string;
  readonly summary: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: TSchema;
  /** Status → what the body is. */
  readonly answers: Readonly<Record<number, string>>;
  /** `both` (default): below v1 and v1preview. `preview`: only there. */
  readonly root?: "both" | "preview";
  readonly answer: Answerer;
}

export interface Resource {
  readonly name: string;
  readonly doc: string;
  readonly routes: readonly Route[];
}

export function defineResource(resource: Resource): Resource {
  return resource;
}
