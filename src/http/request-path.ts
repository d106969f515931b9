/**
 * The path of a request as it was sent, and its clean form.
 *
 * Taken from the text of the URL, because parsing it would already repair what the API redirects:
 * doubled slashes and dot segments. Source: http-api §1.2.
 */

import { API_ROOT, PREVIEW_ROOT } from "./answer.ts";

export interface RequestPath {
  /** Percent-encoded, as sent. */
  readonly path: string;
  /** Without the question mark. */
  readonly query: string;
}

export function requestPath(url: string): RequestPath {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return { path: "/", query: "" };
  const hash = url.indexOf("#", start);
  const end = hash < 0 ? url.length : hash;
  const mark = url.indexOf("?", start);
  if (mark < 0 || mark > end) return { path: url.slice(start, end), query: "" };
  return { path: url.slice(start, mark), query: url.slice(mark + 1, end) };
}

/** Path and query as sent, with the preview prefix replaced by the stable one. */
export function stableUri({ path, query }: RequestPath): string {
  const stable = path.startsWith(PREVIEW_ROOT) ? API_ROOT + path.slice(PREVIEW_ROOT.length) : path;
  return query === "" ? stable : `${stable}?${query}`;
}

/** The path without empty and dot segments; a final slash stays. */
export function cleanPath(path: string): string {
  if (!path.includes("//") && !path.includes("/.")) return path;
  const kept: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment);
  }
  const final = /\/\.{0,2}$/.test(path) && kept.length > 0 ? "/" : "";
  return `/${kept.join("/")}${final}`;
}

/** True when every percent sign begins an escape of valid UTF-8. */
export function isDecodable(path: string): boolean {
  if (!path.includes("%")) return true;
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * What a matching path says for each `:name` and a final `*` of a route, percent-decoded. Read from the path
 * as sent, because an escaped slash belongs to its part. The path must be decodable.
 */
export function pathParams(pattern: string, path: string): Record<string, string> {
  const params: Record<string, string> = {};
  if (!pattern.includes("*") && !pattern.includes(":")) return params;
  const parts = path.split("/");
  pattern.split("/").forEach((part, i) => {
    if (part === "*") params["*"] = decodeURIComponent(parts.slice(i).join("/"));
    else if (part.startsWith(":")) params[part.slice(1)] = decodeURIComponent(parts[i] ?? "");
  });
  return params;
}
