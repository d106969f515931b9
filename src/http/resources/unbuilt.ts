/**
 * Routes that clients of the original know and that this version does not have yet.
 *
 * They answer 501 and say what is missing, so that nobody takes them for a wrong address. A resource that
 * gets built leaves this list.
 */

import { notBuilt } from "../errors.ts";
import { defineResource, type Method, type Route } from "../route.ts";

const UNBUILT: readonly (readonly [path: string, methods: readonly Method[], what: string])[] = [
  ["/debug/pprof/*", ["GET"], "profiles of the running process are"],
];

export const unbuilt = defineResource({
  name: "unbuilt",
  doc: "Known routes that are not available yet.",
  routes: UNBUILT.flatMap(([path, methods, what]) =>
    methods.map(
      (method): Route => ({
        method,
        path,
        summary: "Not available yet.",
        answers: { 501: "error" },
        answer: () => {
          throw notBuilt(what);
        },
      }),
    ),
  ),
});
