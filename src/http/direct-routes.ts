/**
 * The routes that a request reaches without the router, and what their URLs say.
 *
 * Writes are many and small, and a sender's URL is the same each time: what a URL says is found out once and kept.
 * Everything that is not exactly a path of these routes goes the ordinary way.
 */

import { DIRECT_URL_LENGTH_MAX, DIRECT_URLS_MAX } from "./limits.ts";
import { type RequestPath, requestPath, stableUri } from "./request-path.ts";
import type { Route } from "./route.ts";

/** What is known of a URL; shared by all requests to it, so nobody may change it. */
export interface Direct {
  readonly route: Route;
  readonly target: RequestPath;
  readonly query: URLSearchParams;
  /** As in `Call`. */
  readonly uri: string;
}

export class DirectRoutes {
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #known = new Map<string, Direct>();

  /** By path. All are asked with POST. */
  constructor(routes: readonly (readonly [path: string, route: Route])[]) {
    this.#routes = new Map(routes);
  }

  find({ method, url }: Request): Direct | undefined {
    if (method !== "POST") return undefined;
    return this.#known.get(url) ?? this.#read(url);
  }

  #read(url: string): Direct | undefined {
    if (url.length > DIRECT_URL_LENGTH_MAX) return undefined;
    const target = requestPath(url);
    const route = this.#routes.get(target.path);
    if (route === undefined) return undefined;
    const query = new URLSearchParams(target.query);
    const direct = { route, target, query, uri: stableUri(target) };
    // A password is not kept longer than its request.
    if (query.has("p")) return direct;
    // Senders are few; somebody who makes up URLs costs the others one reading each.
    if (this.#known.size >= DIRECT_URLS_MAX) this.#known.clear();
    this.#known.set(url, direct);
    return direct;
  }
}
