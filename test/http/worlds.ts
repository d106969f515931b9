/**
 * The servers against which transcripts run, by the name of the transcript's file: most need no more than the
 * fakes, some need users, alert events, or parts that fail.
 */

import { CRITICAL } from "#alert/level.ts";
import { UserService } from "#auth/user-service.ts";
import { type App, createApp } from "#http/app.ts";
import type { HttpServices } from "#http/services.ts";
import { event, quiet, spec } from "../alert/support.ts";
import { alertWorld } from "./alert-world.ts";
import { fakeServices } from "./fake-services.ts";

/** Bearer tokens of the transcripts are signed with it. */
export const SHARED_SECRET = "s3cret";

const WORLDS: Readonly<Record<string, () => Promise<App>>> = {
  "alerts.txt": alerts,
  "auth.txt": async () => createApp(fakeServices(GUARDED)),
  "broken.txt": async () => createApp(broken()),
  "debug-open.txt": async () => createApp(fakeServices({ ...GUARDED, pprofEnabled: true })),
  "users.txt": guarded,
};

const GUARDED = { authEnabled: true, sharedSecret: SHARED_SECRET } as const;

export async function worldOf(file: string): Promise<App> {
  const world = WORLDS[file];
  return world === undefined ? createApp(fakeServices()) : world();
}

/** root:secret is the administrator, bob:p may use the API, wanda:p write to telegraf, nina:p nothing. */
async function guarded(): Promise<App> {
  const fakes = fakeServices(GUARDED);
  const users = new UserService(fakes, 4);
  await users.create("root", { password: "secret", type: "admin" });
  await users.create("bob", { password: "p", permissions: ["api"] });
  await users.create("wanda", { password: "p", permissions: ["write_points:telegraf"] });
  await users.create("nina", { password: "p" });
  return createApp({ ...fakes, users });
}

/** One event that one handler was told of. */
async function alerts(): Promise<App> {
  const { app, alerts: bench } = alertWorld();
  bench.service.set(spec());
  bench.service.publish(event({ level: CRITICAL }), "cluster");
  await quiet();
  return app;
}

/** Everything outside refuses, and the heap is too large, and there are too many silences. */
function broken(): HttpServices {
  const fakes = fakeServices();
  const { profiler } = fakes.process;
  if (profiler === undefined) throw new Error("the fakes have a profiler");
  const heap = () => ({ bytes: 2 ** 40, objects: {} });
  return {
    ...fakes,
    process: { ...fakes.process, profiler: { ...profiler, heap } },
    subscriptions: {
      count: () => 0,
      relink: () => Promise.reject(new Error("failed to connect to InfluxDB")),
    },
    sideloads: {
      reload() {
        throw new Error("open /d/nope.yml: no such file or directory");
      },
    },
    serviceTests: undefined,
    silences: {
      list: () => [],
      get: () => undefined,
      create: async () => ({ kind: "refused", reason: "full", error: "there are too many" }),
      expire: async () => ({ kind: "refused", reason: "unknown", error: "unknown silence" }),
    },
  };
}
