/**
 * Everything about a run that comes from its seed, as data: options, weather, faults, workload.
 *
 * A plan is JSON, so that a failure can be made smaller by deleting parts of it and kept as a story. Rates differ from
 * run to run: many seeds tell a simple story with one or two faults, some have one kind only, some are stormy, a few
 * have none at all. Uniform grey noise finds little.
 */

import { type Random, SeededRandom, shuffle } from "#lib/random.ts";
import { type AlertPlan, drawAlertPlan } from "./alert-plan.ts";
import { CALM, type NetworkFaults } from "./network.ts";

/** What may happen to members, their hosts and the network. */
export const FAULT_KINDS = [
  "crash",
  "host-down",
  "pause",
  "slow",
  "partition",
  "isolate",
  "one-way",
  "bridge",
  "udp-blocked",
  "tcp-blocked",
  "large-blocked",
  "send-error",
  "weather",
  "clog",
  "disk-slow",
  "disk-fails",
  "old-disk",
  "empty-disk",
  "clone",
  "foreign",
  "clock",
  "leave",
  "remove",
  "remove-self",
  "move",
  "rotate",
  "note",
] as const;

/** What may happen to endpoints and handlers, in runs with alerts. */
export const ALERT_FAULT_KINDS = [
  "endpoint-slow",
  "endpoint-refuses",
  "endpoint-hangs",
  "endpoint-mute",
  "edit-handler",
] as const;

/** What happens in a run of its own drawing, so that it moves nothing in the others. */
export const RARE_FAULT_KINDS = ["liar"] as const;

export type FaultKind =
  | (typeof FAULT_KINDS)[number]
  | (typeof ALERT_FAULT_KINDS)[number]
  | (typeof RARE_FAULT_KINDS)[number];

export interface Fault {
  /** Milliseconds since the safety phase began. */
  readonly at: number;
  readonly kind: FaultKind;
  readonly target: number;
  readonly other: number;
  readonly lengthMs: number;
  /** A kind's own dice, 0 … 2^32−1. */
  readonly salt: number;
}

export type Style = "none" | "few" | "one-kind" | "many" | "mild";

export interface Plan {
  /** Of the dice that are thrown during the run. */
  readonly seed: number;
  readonly style: Style;
  readonly members: number;
  readonly sealed: boolean;
  /** Core code misbehaves within what it is allowed to. */
  readonly mischief: boolean;
  /** `udp-packet-max`; default 1,400. */
  readonly packetMax?: number;
  readonly driftPpm: readonly number[];
  readonly safetyMs: number;
  readonly weather: NetworkFaults;
  readonly faults: readonly Fault[];
  /** Forming begins with two members that add each other at once. */
  readonly crossing?: boolean;
  /** Members that are well for ever once the settling begins. */
  readonly core: readonly number[];
  readonly alerts?: AlertPlan;
}

/** What kind of run is wanted: membership alone with 5–9 members, or 2–6 members with alerts. */
export type Theme = "membership" | "alerts";

export function drawPlan(seed: number, theme: Theme = "membership"): Plan {
  const random = new SeededRandom(theme === "membership" ? seed : seed ^ 0x3c6ef372);
  const style = drawStyle(random);
  const members = theme === "membership" ? 5 + random.below(5) : 2 + random.below(5);
  const safetyMs =
    theme === "membership" ? 20_000 + random.below(50_000) : 15_000 + random.below(30_000);
  const plan: Plan = {
    seed,
    style,
    members,
    sealed: random.below(10) < 3,
    mischief: random.below(4) === 0 && style !== "none",
    driftPpm: Array.from({ length: members }, () => random.below(1_001) - 500),
    safetyMs,
    weather: drawWeather(random, style),
    faults: drawFaults(random, { style, members, safetyMs, theme }),
    core: drawCore(random, members),
    packetMax: random.below(10) === 0 ? 508 : 1_400,
  };
  if (theme === "membership") return { ...plan, faults: withLiar(plan) };
  return { ...plan, crossing: random.below(5) === 0, alerts: drawAlertPlan(random, plan) };
}

function drawStyle(random: Random): Style {
  const dice = random.below(100);
  if (dice < 5) return "none";
  if (dice < 48) return "few";
  if (dice < 60) return "one-kind";
  return dice < 70 ? "mild" : "many";
}

interface FaultFrame {
  readonly style: Style;
  readonly members: number;
  readonly safetyMs: number;
  readonly theme: Theme;
}

function drawFaults(random: Random, frame: FaultFrame): Fault[] {
  const { style, members, safetyMs, theme } = frame;
  const all: readonly FaultKind[] =
    theme === "membership" ? FAULT_KINDS : [...FAULT_KINDS, ...ALERT_FAULT_KINDS];
  const one = all[random.below(all.length)] ?? "crash";
  const kinds = style === "mild" ? ["pause" as const] : style === "one-kind" ? [one] : all;
  const longestPause = random.below(2) === 0 ? 1_900 : 20_000;
  const faults: Fault[] = [];
  for (let i = countOf(random, style); i > 0; i--) {
    faults.push({
      at: random.below(safetyMs - 5_000),
      kind: kinds[random.below(kinds.length)] ?? "crash",
      target: random.below(members),
      other: random.below(members),
      lengthMs: style === "mild" ? 100 + random.below(longestPause) : drawLength(random),
      salt: random.u32(),
    });
  }
  return faults.sort((a, b) => a.at - b.at);
}

/** One run of twelve with faults has a member that lies. Its end and removal are within the safety phase. */
function withLiar({ seed, style, members, safetyMs, faults }: Plan): readonly Fault[] {
  const random = new SeededRandom(seed ^ 0x1f83d9ab);
  if (random.below(12) > 0 || style === "none" || style === "mild") return faults;
  const target = random.below(members);
  const liar: Fault = {
    at: random.below(safetyMs - 18_000),
    kind: "liar",
    target,
    other: (target + 1 + random.below(members - 1)) % members,
    lengthMs: 500 + random.below(7_500),
    salt: random.u32(),
  };
  return [...faults, liar].sort((a, b) => a.at - b.at);
}

function countOf(random: Random, style: Style): number {
  switch (style) {
    case "none":
      return 0;
    case "few":
      return 1 + random.below(3);
    case "many":
      return 5 + random.below(15);
    case "mild":
      return 8;
    case "one-kind":
      return 4;
  }
}

/** Short faults are as likely as long ones: 0.1 to 40 s. */
function drawLength(random: Random): number {
  return Math.round(100 * 10 ** (random.float() * 2.6));
}

function drawWeather(random: Random, style: Style): NetworkFaults {
  const some = (max: number): number => (random.below(2) === 0 ? 0 : random.float() * max);
  if (style === "none") return { ...CALM };
  if (style === "mild") return { ...CALM, loss: random.float() * 0.05 };
  const slow = random.below(4);
  return {
    loss: some(0.3),
    duplicate: some(0.2),
    reorder: some(0.3),
    corrupt: some(0.05),
    replay: some(0.1),
    delayMin: slow === 0 ? 40 : slow === 1 ? 5 : 0.1,
    delayMean: slow === 0 ? 10 : slow === 1 ? 20 : 0.2,
  };
}

function drawCore(random: Random, members: number): readonly number[] {
  const order = Array.from({ length: members }, (_, i) => i);
  shuffle(random, order);
  return order.slice(0, 1 + random.below(members)).sort((a, b) => a - b);
}
