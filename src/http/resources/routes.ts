/**
 * `/:routes`: which paths answer to which methods, with the endpoints of running tasks.
 *
 * The path is literally `:routes`; the router takes it for a parameter, so any other word is refused here.
 */

import { API_ROOT, answerJson } from "../answer.ts";
import { notFound } from "../errors.ts";
import { type Call, defineResource, type Resource } from "../route.ts";
import type { HttpServices } from "../services.ts";

/** Built over the other resources, which it lists; called once by the registry. */
export function routesOf(others: readonly Resource[]): Resource {
  return defineResource({
    name: "routes",
    doc: "The list of routes.",
    routes: [
      {
        method: "GET",
        path: "/:routes",
        summary: "Lists every route with its methods.",
        answers: { 200: "route → methods" },
        answer: (call, services) => listRoutes(call, services, others),
      },
    ],
  });
}

function listRoutes(call: Call, services: HttpServices, others: readonly Resource[]): Response {
  if (call.params["routes"] !== ":routes") throw notFound();
  const methods: Record<string, string[]> = {};
  const note = (path: string, method: string): void => {
    const known = methods[path] ?? [];
    if (!known.includes(method)) known.push(method);
    methods[path] = known;
  };
  for (const route of others.flatMap((resource) => resource.routes)) {
    note(`${API_ROOT}${shown(route.path)}`, route.method);
  }
  for (const endpoint of services.engine.endpoints()) note(`${API_ROOT}/tasks/${endpoint}`, "GET");
  return answerJson(methods);
}

/** A subtree is shown by its final slash. */
function shown(path: string): string {
  return path.endsWith("/*") ? path.slice(0, -1) : path;
}
