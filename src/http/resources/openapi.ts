/**
 * `/openapi.json`: the API described for machines, made from the same routes that answer.
 *
 * Source: the public OpenAPI 3.0.3 specification; bodies are the routes' own schemas.
 */

import { API_ROOT, answerJson } from "../answer.ts";
import { defineResource, type Resource, type Route } from "../route.ts";
import type { HttpServices } from "../services.ts";

/** Built over the other resources, which it describes; called once by the registry. */
export function openapiOf(others: readonly Resource[]): Resource {
  return defineResource({
    name: "openapi",
    doc: "The API's description.",
    routes: [
      {
        method: "GET",
        path: "/openapi.json",
        summary: "Describes every route in OpenAPI form.",
        answers: { 200: "OpenAPI 3.0 document" },
        answer: (_call, services) => answerJson(describe(others, services)),
      },
    ],
  });
}

function describe(others: readonly Resource[], services: HttpServices): unknown {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const resource of others) {
    for (const route of resource.routes) {
      const path = openapiPath(route);
      const operations = paths[path] ?? {};
      operations[route.method.toLowerCase()] = operation(route, resource);
      paths[path] = operations;
    }
  }
  return {
    openapi: "3.0.3",
    info: { title: "Kapacitor", version: services.version.api },
    tags: others.map(({ name, doc }) => ({ name, description: doc })),
    paths,
  };
}

function openapiPath(route: Route): string {
  const root = route.root === "preview" ? "/kapacitor/v1preview" : API_ROOT;
  return root + route.path.replace(/:(\w+)/g, "{$1}").replace(/\*$/, "{id}");
}

function operation(route: Route, resource: Resource): unknown {
  const inPath = [...openapiPath(route).matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery = Object.entries(route.query ?? {}).map(([name, description]) => ({
    name,
    in: "query",
    description,
    schema: { type: "string" },
  }));
  const responses = Object.entries(route.answers).map(([status, description]) => [
    status,
    { description },
  ]);
  return {
    tags: [resource.name],
    summary: route.summary,
    parameters: [...inPath, ...inQuery],
    ...(route.body === undefined
      ? {}
      : { requestBody: { content: { "application/json": { schema: route.body } } } }),
    responses: Object.fromEntries(responses),
  };
}
