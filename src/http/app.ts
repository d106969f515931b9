/**
 * The API without a socket: from a request to its answer, with everything that all routes share.
 *
 * Elysia finds and runs the route. Around it stands what clients of the original rely on and what a router
 * would do differently: wrong methods are 404, OPTIONS is always 200, HEAD works for ping only, unclean
 * paths redirect, every answer carries version and request ID, and is packed when the client can unpack.
 * Source: http-api §1.1–1.6.
 */

import { Elysia } from "elysia";
import { administrator, type Principal } from "#auth/permissions.ts";
import { formatTime } from "#lib/time.ts";
import { TimeUuids } from "#lib/uuid.ts";
import { API_ROOT, PREVIEW_ROOT, UNPACKED } from "./answer.ts";
import { authenticate, authorize, basicOfToken } from "./authenticate.ts";
import { type Direct, DirectRoutes } from "./direct-routes.ts";
import { ApiError, asCoded, badRequest, errorResponse, isUnexpected, notFound } from "./errors.ts";
import { httpCounters } from "./http-counters.ts";
import { HEADERS_LENGTH_MAX, URL_LENGTH_MAX } from "./limits.ts";
import {
  cleanPath,
  isDecodable,
  pathParams,
  type RequestPath,
  requestPath,
  stableUri,
} from "./request-path.ts";
import { resources } from "./resources/registry.ts";
import type { Call, Route } from "./route.ts";
import type { HttpServices } from "./services.ts";

/** What the connection knows about a request. */
export interface Peer {
  /** Address of the client, for the access log. */
  readonly address: string;
  readonly keepOpen: () => void;
}

const NO_PEER: Peer = { address: "-", keepOpen: () => {} };

export interface App {
  /** Never rejects: every failure is an answer. */
  handle(request: Request, peer?: Peer): Promise<Response>;
}

/** What a route is told beside its request. */
interface Around {
  readonly peer: Peer;
  readonly user: Principal;
}

const NO_PARAMS = {};

const NOBODY: Around = { peer: NO_PEER, user: administrator("-") };

export function createApp(services: HttpServices): App {
  const around = new WeakMap<Request, Around>();
  const router = createRouter(services, around);
  const ids = new TimeUuids(services.random);
  const log = services.log.with({ service: "http" });
  const counters = httpCounters(services);
  const directs = new DirectRoutes(
    resources.flatMap((resource) => resource.routes).flatMap(withPaths),
  );

  const routed = (request: Request, beside: Around): Promise<Response> => {
    const asked = plainUrl(request);
    around.set(asked, beside);
    return router.handle(asked);
  };
  const answered = (
    request: Request,
    direct: Direct | undefined,
    beside: Around,
  ): Response | Promise<Response> => {
    if (direct === undefined) return routed(request, beside);
    const { peer, user } = beside;
    const { route, query, uri } = direct;
    return route.answer(
      { request, params: NO_PARAMS, query, uri, user, keepOpen: peer.keepOpen },
      services,
    );
  };

  return {
    async handle(request, peer = NO_PEER) {
      const startMs = services.clock.monoMs();
      const start = services.clock.now();
      const requestId = ids.next(start);
      const direct = directs.find(request);
      const target = direct?.target ?? requestPath(request.url);
      let { user } = NOBODY;
      let response: Response;
      try {
        const early = direct === undefined ? answerEarly(request, target) : undefined;
        if (early === undefined && services.settings.authEnabled) {
          user = await admit(request, target, services);
        }
        response = early ?? (await answered(request, direct, { peer, user }));
      } catch (error) {
        if (isUnexpected(error)) log.error("request failed", { uri: target.path, err: error });
        const coded = error instanceof ApiError && belowRoot(target.path) === V2_WRITE;
        response = errorResponse(coded ? asCoded(error) : error);
      }
      counters.count(response.status);
      const finished = finish(request, response, requestId, services);
      response = finished instanceof Promise ? await finished : finished;
      if (services.settings.logEnabled) {
        log.info("http request", {
          host: peer.address,
          username: user.name,
          start: formatTime(start.ms, start.ns),
          method: request.method,
          uri: withoutPassword(target),
          protocol: "HTTP/1.1",
          status: response.status,
          referer: request.headers.get("referer") ?? "-",
          "user-agent": request.headers.get("user-agent") ?? "-",
          "request-id": requestId,
          duration: `${(services.clock.monoMs() - startMs).toFixed(3)}ms`,
        });
      }
      return response;
    },
  };
}

/** The router finds the path behind a fixed number of characters, those of `http://`. */
function plainUrl(request: Request): Request {
  const { url } = request;
  return url.startsWith("https:") ? new Request(`http:${url.slice(6)}`, request) : request;
}

function createRouter(services: HttpServices, around: WeakMap<Request, Around>) {
  const app = new Elysia({ strictPath: true, handler: { standardHostname: false } });
  app.onError(({ error, code, request }) => {
    if (code === "NOT_FOUND") return errorResponse(notFound());
    if (isUnexpected(error)) {
      const { path } = requestPath(request.url);
      services.log.error("request failed", { service: "http", uri: path, err: error });
    }
    return errorResponse(error);
  });
  for (const route of resources.flatMap((resource) => resource.routes)) {
    for (const path of pathsOf(route)) {
      app.route(
        route.method,
        path,
        ({ request }) =>
          route.answer(callOf(request, path, around.get(request) ?? NOBODY), services),
        { parse: "none" },
      );
    }
  }
  return app;
}

/** Clients of InfluxDB 2 write here. */
const V2_WRITE = "/api/v2/write";

/** Routes that also answer at the server's root. */
const AT_ROOT = new Set(["/write", V2_WRITE]);

/** Those that come so often that the way through the router is felt; they answer for exactly these paths. */
function withPaths(route: Route): (readonly [path: string, route: Route])[] {
  if (route.method !== "POST" || !AT_ROOT.has(route.path)) return [];
  return pathsOf(route).map((path) => [path, route]);
}

/** Where a route answers. The write routes have an alias at the server's root. */
function pathsOf(route: Route): string[] {
  const preview = `${PREVIEW_ROOT}${route.path}`;
  if (route.root === "preview") return [preview];
  const both = [`${API_ROOT}${route.path}`, preview];
  return AT_ROOT.has(route.path) ? [...both, route.path] : both;
}

function callOf(request: Request, pattern: string, { peer, user }: Around): Call {
  const target = requestPath(request.url);
  return {
    request,
    params: pathParams(pattern, target.path),
    query: new URLSearchParams(target.query),
    uri: stableUri(target),
    user,
    keepOpen: () => peer.keepOpen(),
  };
}

const METHODS = new Set(["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"]);
const PING = new Set([`${API_ROOT}/ping`, `${PREVIEW_ROOT}/ping`]);

/** Answers that need no route. Throws `ApiError` for what no route may see. */
function answerEarly(request: Request, target: RequestPath): Response | undefined {
  const { method } = request;
  if (method === "OPTIONS") return new Response(null, { status: 200 });
  if (!METHODS.has(method)) return plainNotFound();
  checkSizes(request, target);
  const clean = cleanPath(target.path);
  if (clean !== target.path) return redirect(clean, target.query);
  if (method === "HEAD" && !PING.has(target.path)) throw notFound();
  if (!isDecodable(target.path)) throw badRequest("invalid URL escape in path");
  return undefined;
}

/** For verbs outside the API; the type is spelled so that it is not taken for the runtime's default. */
function plainNotFound(): Response {
  return new Response("Not Found\n", {
    status: 404,
    headers: { "Content-Type": "text/plain; charset=utf-8" },
  });
}

function checkSizes(request: Request, target: RequestPath): void {
  if (target.path.length + target.query.length > URL_LENGTH_MAX) {
    throw new ApiError(414, `URL is too long, at most ${URL_LENGTH_MAX} characters are accepted`);
  }
  // Write requests are many and small: counting their headers would be a tenth of their cost.
  if (target.path.endsWith("/write")) return;
  let length = 0;
  for (const [name, value] of request.headers) length += name.length + value.length;
  if (length > HEADERS_LENGTH_MAX) {
    throw new ApiError(
      431,
      `headers are too long, at most ${HEADERS_LENGTH_MAX} characters are accepted`,
    );
  }
}

function redirect(path: string, query: string): Response {
  const location = query === "" ? path : `${path}?${query}`;
  const escaped = location
    .replaceAll("&", "&amp;")
    .replaceAll('"', "&#34;")
    .replaceAll("<", "&lt;");
  return new Response(`<a href="${escaped}">Moved Permanently</a>.\n\n`, {
    status: 301,
    headers: { Location: location, "Content-Type": "text/html; charset=utf-8" },
  });
}

/** Checks credentials and privileges where they are wanted. */
async function admit(
  request: Request,
  target: RequestPath,
  services: HttpServices,
): Promise<Principal> {
  const { settings } = services;
  const path = belowRoot(target.path);
  if (settings.pprofEnabled && path.startsWith("/debug/")) return NOBODY.user;
  if (request.method === "HEAD") return NOBODY.user;
  const isV2 = path === V2_WRITE;
  const authorization = request.headers.get("authorization");
  const user = await authenticate(
    request,
    {
      authorization: isV2 ? basicOfToken(authorization) : authorization,
      query: new URLSearchParams(target.query),
    },
    services,
  );
  authorize(user, request.method, isV2 ? "/write" : path);
  return user;
}

function belowRoot(path: string): string {
  const root = [PREVIEW_ROOT, API_ROOT].find((each) => path.startsWith(`${each}/`));
  return root === undefined ? path : path.slice(root.length);
}

function finish(
  request: Request,
  response: Response,
  requestId: string,
  services: HttpServices,
): Response | Promise<Response> {
  const { headers } = response;
  const origin = request.headers.get("origin");
  if (origin !== null) allowOrigin(headers, origin);
  headers.set("Request-Id", requestId);
  if (request.method === "OPTIONS") return response;
  headers.set("X-Kapacitor-Version", services.version.api);
  headers.set("X-Kapacitor-Build", services.version.build);
  // Bun names a type for every text body; only a type that the route itself chose stays.
  const type = headers.get("Content-Type");
  if (type === null || type === "text/plain;charset=utf-8") {
    headers.set("Content-Type", "application/json; charset=utf-8");
  }
  const isUnpacked = headers.has(UNPACKED);
  if (isUnpacked) headers.delete(UNPACKED);
  const packs = request.headers.get("accept-encoding")?.includes("gzip") === true;
  return packs && !isUnpacked && !headers.has("Content-Length") ? pack(response) : response;
}

function allowOrigin(headers: Headers, origin: string): void {
  headers.set("Access-Control-Allow-Origin", origin);
  headers.set("Access-Control-Allow-Methods", "DELETE, GET, OPTIONS, POST, PATCH");
  headers.set(
    "Access-Control-Allow-Headers",
    "Accept, Accept-Encoding, Authorization, Content-Length, Content-Type, X-CSRF-Token, X-HTTP-Method-Override",
  );
}

async function pack(response: Response): Promise<Response> {
  const { headers, status } = response;
  headers.set("Content-Encoding", "gzip");
  // Asking an answer for its body is slow, and most answers to writes have none.
  if (status === 204 || response.body === null) return response;
  const bytes = new Uint8Array(await response.arrayBuffer());
  return new Response(Bun.gzipSync(bytes, { level: 1 }), { status, headers });
}

function withoutPassword(target: RequestPath): string {
  if (target.query === "") return target.path;
  const query = target.query.replace(/(^|&)p=[^&]*/g, "$1p=[REDACTED]");
  return `${target.path}?${query}`;
}
