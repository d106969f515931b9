/** One resource behind the same router the app uses, for resources that are tested by themselves. */

import { Elysia } from "elysia";
import { administrator } from "#auth/permissions.ts";
import { API_ROOT } from "#http/answer.ts";
import { errorResponse, notFound } from "#http/errors.ts";
import { pathParams, requestPath } from "#http/request-path.ts";
import type { Resource } from "#http/route.ts";
import type { HttpServices } from "#http/services.ts";

export interface Answering {
  handle(request: Request): Promise<Response>;
}

export function oneResource(resource: Resource, services: HttpServices): Answering {
  const app = new Elysia({ strictPath: true, handler: { standardHostname: false } });
  app.onError(({ error, code }) => errorResponse(code === "NOT_FOUND" ? notFound() : error));
  for (const route of resource.routes) {
    const pattern = API_ROOT + route.path;
    app.route(
      route.method,
      pattern,
      ({ request }) => {
        const { path, query } = requestPath(request.url);
        const call = {
          request,
          params: pathParams(pattern, path),
          query: new URLSearchParams(query),
          uri: query === "" ? path : `${path}?${query}`,
          user: administrator("-"),
          keepOpen: () => {},
        };
        return route.answer(call, services);
      },
      { parse: "none" },
    );
  }
  return { handle: async (request) => app.handle(request) };
}
