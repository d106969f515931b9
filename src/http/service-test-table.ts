/**
 * The services with a self-test that no handler kind talks to, and the options of their tests.
 *
 * Handler kinds bring their own test along (`test` in `handlers/<kind>.ts`). Source: http-api §9.
 */

import type { ServiceTest } from "./services.ts";

export type OtherService = Pick<ServiceTest, "name" | "options">;

/** A source of targets; its test only names one. */
const SOURCE = { id: "" };

/** Sorted by name. */
export const OTHER_SERVICES: readonly OtherService[] = [
  { name: "azure", options: SOURCE },
  { name: "consul", options: SOURCE },
  { name: "dns", options: SOURCE },
  { name: "ec2", options: SOURCE },
  { name: "file-discovery", options: SOURCE },
  { name: "gce", options: SOURCE },
  { name: "influxdb", options: { cluster: "" } },
  { name: "kubernetes", options: SOURCE },
  { name: "marathon", options: SOURCE },
  { name: "nerve", options: SOURCE },
  { name: "scraper", options: { name: "" } },
  { name: "serverset", options: SOURCE },
  { name: "static-discovery", options: SOURCE },
  { name: "swarm", options: SOURCE },
  { name: "triton", options: SOURCE },
];
