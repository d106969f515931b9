/**
 * Nothing of the API without a transcript: every route with every status that it names, and everything that the
 * reference names (`coverage.txt`, written down from it line by line).
 */

import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { resources } from "#http/resources/registry.ts";
import type { Route } from "#http/route.ts";
import { readRaw } from "../e2e/clients/raw.ts";
import { readTranscripts } from "./transcripts.ts";

interface Pinned {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly status: number;
  readonly answer: string;
}

const routes: readonly Route[] = resources.flatMap((resource) => resource.routes);

const pathOnly = (target: string): string => target.split("?")[0] ?? "";

const inProcess = ["transcripts", "config", "recordings"]
  .flatMap((folder) => readTranscripts(join(import.meta.dir, folder)))
  .flatMap(({ cases }) => cases)
  .map(({ method, path, status, answer }) => ({ method, path: pathOnly(path), status, answer }));

const overSockets = readRaw(join(import.meta.dir, "../e2e/clients"))
  .flatMap(({ cases }) => cases)
  .map(({ head, answerHead, answer }): Pinned => {
    const [method = "", target = ""] = head[0]?.split(" ") ?? [];
    const status = Number(answerHead[0]?.split(" ")[1]);
    return { method, path: pathOnly(target), status, answer };
  });

const pinned: readonly Pinned[] = [...inProcess, ...overSockets];

/** Literal parts win over named ones, those over a subtree. */
function rank({ path }: Route): string {
  const parts = path.split("/");
  return parts.map((part) => (part === "*" ? "2" : part.startsWith(":") ? "1" : "0")).join("");
}

function matches({ path }: Route, wanted: string): boolean {
  const parts = path.split("/").map((part) => {
    if (part === "*") return ".*";
    return part.startsWith(":") ? "[^/]+" : part.replace(/[.]/g, "\\.");
  });
  return new RegExp(`^${parts.join("/")}$`).test(wanted);
}

const ROOT = /^\/kapacitor\/v1(preview)?(?=\/)/;
const AT_ROOT = new Set(["/write", "/api/v2/write"]);

/** The route that answers a path, if any does. */
function routeOf({ method, path }: Pinned): Route | undefined {
  if (!ROOT.test(path) && !AT_ROOT.has(path)) return undefined;
  const below = path.replace(ROOT, "");
  const found = routes.filter((route) => route.method === method && matches(route, below));
  return found.sort((a, b) => (rank(a) < rank(b) ? -1 : 1))[0];
}

const nameOf = ({ method, path }: Route): string => `${method} ${path}`;

const byRoute = Map.groupBy(pinned, (item) => {
  const route = routeOf(item);
  return route === undefined ? "" : nameOf(route);
});

/** Statuses that take more than one server, and what they take. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ["GET /cluster/doctor 200", "other members to look at"],
  ["GET /cluster/owners/* 200", "a cluster's members to rank"],
]);

test.each(routes.map((route) => [nameOf(route), route] as const))(
  "%s: each status it names has a transcript",
  (name, route) => {
    const statuses = new Set((byRoute.get(name) ?? []).map(({ status }) => status));
    const missing = Object.keys(route.answers).filter(
      (status) => !statuses.has(Number(status)) && !ELSEWHERE.has(`${name} ${status}`),
    );
    expect(missing).toEqual([]);
  },
);

interface Named {
  readonly line: string;
  readonly method: string;
  readonly where: string;
  readonly status: number;
  readonly text: string;
}

function readNamed(line: string): Named {
  const [method = "", where = "", status = "", ...text] = line.split(" ");
  return { line, method, where, status: Number(status), text: text.join(" ") };
}

const named = readFileSync(join(import.meta.dir, "coverage.txt"), "utf8")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"))
  .map(readNamed);

test("every line of coverage.txt names a route there is, or a path without one", () => {
  expect(named.length).toBeGreaterThan(200);
  const names = new Set(routes.map(nameOf));
  const unknown = named.filter(
    ({ method, where }) => !where.startsWith("=") && !names.has(`${method} ${where}`),
  );
  expect(unknown.map(({ line }) => line)).toEqual([]);
});

test.each(named.map((item) => [item.line, item] as const))("%s", (_, item) => {
  const { method, where, status, text } = item;
  const of = where.startsWith("=")
    ? pinned.filter((each) => each.method === method && each.path === where.slice(1))
    : (byRoute.get(`${method} ${where}`) ?? []);
  const found = of.filter((each) => each.status === status && each.answer.includes(text));
  expect(found.length).toBeGreaterThan(0);
});
