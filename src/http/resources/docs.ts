/**
 * `/docs`: the API's description for people, as one page without scripts or outside requests.
 *
 * Made from the same routes that answer, so it cannot be out of date.
 */

import { API_ROOT } from "../answer.ts";
import { defineResource, type Resource, type Route } from "../route.ts";
import type { HttpServices } from "../services.ts";

/** Built over the other resources, which it describes; called once by the registry. */
export function docsOf(others: readonly Resource[]): Resource {
  return defineResource({
    name: "docs",
    doc: "The API's description for people.",
    routes: [
      {
        method: "GET",
        path: "/docs",
        summary: "Describes every route as a page.",
        answers: { 200: "HTML" },
        answer: (_call, services) => page(others, services),
      },
    ],
  });
}

function page(others: readonly Resource[], services: HttpServices): Response {
  const contents = others.map(({ name }) => `<a href="#${html(name)}">${html(name)}</a>`);
  const text = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Kapacitor API</title><style>${STYLE}</style></head>
<body><h1>Kapacitor API ${html(services.version.api)}</h1>
<p>Machines read <a href="${API_ROOT}/openapi.json">openapi.json</a>. ${contents.join(" · ")}</p>
${others.map(section).join("\n")}
</body></html>
`;
  return new Response(text, { headers: { "Content-Type": "text/html; charset=utf-8" } });
}

function section({ name, doc, routes }: Resource): string {
  return `<h2 id="${html(name)}">${html(name)}</h2><p>${html(doc)}</p>${routes.map(entry).join("")}`;
}

function entry(route: Route): string {
  const root = route.root === "preview" ? "/kapacitor/v1preview" : API_ROOT;
  const path = root + route.path.replace(/\*$/, "…");
  const body =
    route.body === undefined ? "" : `<pre>${html(JSON.stringify(route.body, undefined, 2))}</pre>`;
  return `<details><summary><b>${route.method}</b> <code>${html(path)}</code> ${html(route.summary)}</summary>
${rows("Query", route.query ?? {})}${body}${rows("Answers", route.answers)}</details>`;
}

function rows(title: string, entries: Readonly<Record<string, string>>): string {
  const lines = Object.entries(entries).map(
    ([key, doc]) => `<tr><td><code>${html(key)}</code></td><td>${html(doc)}</td></tr>`,
  );
  return lines.length === 0 ? "" : `<table><caption>${title}</caption>${lines.join("")}</table>`;
}

const STYLE =
  "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}" +
  "details{margin:.3rem 0}table{margin:.3rem 1rem;text-align:left}caption{text-align:left;font-weight:600}" +
  "td{padding:0 1rem 0 0;vertical-align:top}pre{margin:.3rem 1rem;overflow:auto}code{white-space:nowrap}";

function html(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
