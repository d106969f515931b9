/** Every REST resource, sorted by name. The last ones describe the others. */

import type { Resource } from "../route.ts";
import { cluster } from "./cluster.ts";
import { clusterDoctor } from "./cluster-doctor.ts";
import { config } from "./config.ts";
import { debug } from "./debug.ts";
import { deliveries } from "./deliveries.ts";
import { docsOf } from "./docs.ts";
import { handlers } from "./handlers.ts";
import { loglevel } from "./loglevel.ts";
import { logs } from "./logs.ts";
import { openapiOf } from "./openapi.ts";
import { ping } from "./ping.ts";
import { pprof } from "./pprof.ts";
import { recordings } from "./recordings.ts";
import { replays } from "./replays.ts";
import { routesOf } from "./routes.ts";
import { serviceTests } from "./service-tests.ts";
import { sideload } from "./sideload.ts";
import { silences } from "./silences.ts";
import { storage } from "./storage.ts";
import { subscriptions } from "./subscriptions.ts";
import { tasks } from "./tasks.ts";
import { templates } from "./templates.ts";
import { topicOwners } from "./topic-owners.ts";
import { topics } from "./topics.ts";
import { users } from "./users.ts";
import { write } from "./write.ts";

const listed: readonly Resource[] = [
  cluster,
  clusterDoctor,
  config,
  debug,
  deliveries,
  handlers,
  loglevel,
  logs,
  ping,
  pprof,
  recordings,
  replays,
  serviceTests,
  sideload,
  silences,
  storage,
  subscriptions,
  tasks,
  templates,
  topicOwners,
  topics,
  users,
  write,
];

export const resources: readonly Resource[] = [
  ...listed,
  docsOf(listed),
  openapiOf(listed),
  routesOf(listed),
];
