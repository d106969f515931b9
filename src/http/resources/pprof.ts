/**
 * `/debug/pprof`: profiles of the running process, for `go tool pprof` and browsers' developer tools.
 *
 * CPU profiles come from the runtime's sampler, the heap as objects by type. What only a Go program has
 * (goroutines, contention, a scheduler to trace) is refused with a text that says where to look instead.
 * Reachable without credentials when `pprof-enabled` is set. Source: http-api §1.10, §2.
 */

import { UNPACKED } from "../answer.ts";
import { ApiError, badRequest, unknown } from "../errors.ts";
import { HEAP_SNAPSHOT_BYTES_MAX, PROFILE_SECONDS_MAX } from "../limits.ts";
import { choice } from "../list-params.ts";
import { profileOf } from "../profile/cpu-profile.ts";
import { encodePprof } from "../profile/pprof.ts";
import { type Call, defineResource } from "../route.ts";
import { CPU_INTERVAL_US, type HttpServices, type Profiler } from "../services.ts";

const HELD: Readonly<Record<string, string>> = {
  profile: "CPU: where time goes. Parameters seconds (default 30), format.",
  heap: "Memory: objects on the heap by type. Parameters gc, debug, format.",
  cmdline: "The command line of this process.",
  symbol: "Looks up addresses. Profiles carry their names, so there are none to look up.",
};

/** What Go programs have beside, and what stands for it here. */
const MISSING: Readonly<Record<string, string>> = {
  allocs: "past allocations are not recorded; debug/pprof/heap shows what is held",
  block: "nothing blocks in this process; debug/pprof/profile shows where time goes",
  goroutine: "there are no goroutines in this process; debug/pprof/profile shows what it does",
  mutex: "there are no locks in this process; debug/pprof/profile shows where time goes",
  threadcreate: "threads are not recorded; debug/pprof/profile shows where time goes",
  trace: "there is no scheduler to trace; debug/pprof/profile?format=cpuprofile has a time line",
};

const SECONDS_DEFAULT = 30;

export const pprof = defineResource({
  name: "pprof",
  doc: "Profiles of the running process.",
  routes: [
    {
      method: "GET",
      path: "/debug/pprof/profile",
      summary: "Samples what the process does for some seconds. One at a time.",
      query: {
        seconds: `How long, 1 to ${PROFILE_SECONDS_MAX}; default ${SECONDS_DEFAULT}.`,
        format: "pprof (default), or cpuprofile: JSON for browsers' developer tools.",
      },
      answers: { 200: "the profile", 400: "error", 503: "another profile is being taken" },
      answer: cpu,
    },
    {
      method: "GET",
      path: "/debug/pprof/heap",
      summary: "Shows how many objects of each type are on the heap.",
      query: {
        gc: "1: collects garbage first.",
        debug: "1: as text.",
        format:
          "pprof (default), or heapsnapshot: everything, for browsers' developer tools; stops the process while it is made.",
      },
      answers: { 200: "the profile", 400: "error", 503: "the heap is too large for a snapshot" },
      answer: heap,
    },
    {
      method: "GET",
      path: "/debug/pprof/cmdline",
      summary: "Shows the command line, its words separated by zero bytes.",
      answers: { 200: "text" },
      answer: (_call, services) => text(services.process.commandLine.join("\u0000")),
    },
    {
      method: "GET",
      path: "/debug/pprof/symbol",
      summary: "Says that there are no addresses to look up.",
      answers: { 200: "text" },
      answer: () => text("num_symbols: 0\n"),
    },
    {
      method: "GET",
      path: "/debug/pprof/*",
      summary: "Lists the profiles; says of those that only Go programs have what to use instead.",
      answers: { 200: "HTML", 404: "error", 501: "a profile that this process cannot have" },
      answer: index,
    },
  ],
});

function profilerOf({ process }: HttpServices): Profiler {
  if (process.profiler === undefined) throw new ApiError(501, "profiles are not available here");
  return process.profiler;
}

async function cpu(call: Call, services: HttpServices): Promise<Response> {
  const seconds = secondsOf(call.query);
  const format = choice(call.query, "format", ["pprof", "cpuprofile"]);
  const profiler = profilerOf(services);
  const startMs = services.clock.now().ms;
  call.keepOpen();
  const profile = await profiler.cpu(seconds * 1000, call.request.signal);
  if (profile === undefined)
    throw new ApiError(503, "another CPU profile is being taken, try again later");
  if (format === "cpuprofile")
    return file("profile.cpuprofile", JSON.stringify(profile), "application/json");
  return file("profile", encodePprof(profileOf(profile, { intervalUs: CPU_INTERVAL_US, startMs })));
}

function heap(call: Call, services: HttpServices): Response {
  const format = choice(call.query, "format", ["pprof", "heapsnapshot"]);
  const profiler = profilerOf(services);
  const { bytes, objects } = profiler.heap(call.query.get("gc") === "1");
  if (format === "heapsnapshot") {
    if (bytes > HEAP_SNAPSHOT_BYTES_MAX)
      throw new ApiError(
        503,
        `the heap of ${bytes} bytes is too large for a snapshot, at most ${HEAP_SNAPSHOT_BYTES_MAX} are taken`,
      );
    return file("heap.heapsnapshot", profiler.heapSnapshot(), "application/json");
  }
  const rows = Object.entries(objects).sort(([, a], [, b]) => b - a);
  const inUse = `bytes in use: ${bytes}`;
  if (call.query.get("debug") === "1")
    return text(`# ${inUse}\n${rows.map(([type, count]) => `${count} ${type}\n`).join("")}`);
  return file(
    "heap",
    encodePprof({
      types: [{ type: "inuse_objects", unit: "count" }],
      samples: rows.map(([name, count]) => ({
        stack: [{ name, file: "", line: 0 }],
        values: [count],
      })),
      startMs: services.clock.now().ms,
      durationMs: 0,
      comments: [inUse],
    }),
  );
}

function index(call: Call): Response {
  const name = call.params["*"] ?? "";
  if (name === "") return page();
  const why = Object.hasOwn(MISSING, name) ? MISSING[name] : undefined;
  if (why === undefined) throw unknown(`unknown profile: ${JSON.stringify(name)}`);
  throw new ApiError(501, `${name} profiles are not available: ${why}`);
}

function page(): Response {
  const held = Object.entries(HELD).map(
    ([name, doc]) => `<li><a href="${name}">${name}</a> ${doc}</li>`,
  );
  const missing = Object.entries(MISSING).map(([name, why]) => `<li>${name}: ${why}</li>`);
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Profiles</title></head>
<body><h1>Profiles of this process</h1>
<ul>${held.join("\n")}</ul>
<p>Not available here:</p>
<ul>${missing.join("\n")}</ul>
</body></html>
`;
  return new Response(html, { headers: { "Content-Type": "text/html; charset=utf-8" } });
}

function secondsOf(query: URLSearchParams): number {
  const given = query.get("seconds") ?? "";
  if (given === "") return SECONDS_DEFAULT;
  const seconds = Number(given);
  if (/^\d+$/.test(given) && seconds >= 1 && seconds <= PROFILE_SECONDS_MAX) return seconds;
  throw badRequest(
    `invalid seconds parameter ${JSON.stringify(given)} must be an integer from 1 to ${PROFILE_SECONDS_MAX}`,
  );
}

function text(body: string): Response {
  return new Response(body, { headers: { "Content-Type": "text/plain; charset=utf-8" } });
}

/** Packed already or large: never packed again. */
function file(
  name: string,
  body: string | Uint8Array<ArrayBuffer>,
  type = "application/octet-stream",
): Response {
  const disposition = `attachment; filename="${name}"`;
  return new Response(body, {
    headers: { "Content-Type": type, "Content-Disposition": disposition, [UNPACKED]: "yes" },
  });
}
