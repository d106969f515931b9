/**
 * The membership figures of the specification, from the simulator: `bun test/sim/figures.ts [N …]`.
 *
 * For each cluster size: forming through one member, detection of a killed process and of a silent host, spread
 * of a note, quiet traffic. Sealed packets, 0.1–0.5 ms links, virtual time.
 */

import { DEAD } from "#cluster/messages/message.ts";
import { fakeCrypto } from "./fake-crypto.ts";
import { Village } from "./village.ts";

const SAMPLES = 20;

interface Figures {
  readonly formMs: number;
  readonly killedMs: readonly number[];
  readonly silentMs: readonly number[];
  readonly noteMs: readonly number[];
  readonly bytesPerSecond: number;
  readonly packetsPerSecond: number;
}

function measure(n: number): Figures {
  const village = new Village(n, { keys: [new Uint8Array(32)], crypto: fakeCrypto, disks: false });
  const formMs = village.form(60_000);
  village.run(60_000);
  const { network } = village.world;
  const [datagrams, bytes] = [network.datagrams, network.bytes];
  village.run(30_000);
  const packetsPerSecond = (network.datagrams - datagrams) / 30 / n;
  const bytesPerSecond = (network.bytes - bytes) / 30 / n;
  const samples = n > 100 ? 3 : SAMPLES;
  const each = (take: () => number): number[] => Array.from({ length: samples }, take);
  return {
    formMs,
    packetsPerSecond,
    bytesPerSecond,
    noteMs: each(() => note(village)),
    killedMs: each(() => detection(village, false)),
    silentMs: each(() => detection(village, true)),
  };
}

function note(village: Village): number {
  village.run(2_000 + village.random.below(500));
  let heard = 0;
  village.onStep = (_member, _input, actions) => {
    for (const action of actions) if (action.kind === "note") heard++;
  };
  const began = village.clock.now;
  village.at(0).input({ kind: "note", noteKind: 1, bytes: new Uint8Array(20) });
  return village.until(() => heard >= village.members.length - 1, 20_000) - began;
}

/** Until dead in every view; then the member comes back. */
function detection(village: Village, silent: boolean): number {
  village.run(1_000 + village.random.below(1_000));
  const target = village.at(1 + village.random.below(village.members.length - 1));
  let dead = 0;
  village.onStep = (_member, _input, actions) => {
    for (const action of actions) {
      if (action.kind === "change" && action.to === DEAD && action.id === target.id) dead++;
    }
  };
  const began = village.clock.now;
  target.disk = undefined;
  target.crash(silent);
  const took = village.until(() => dead >= village.members.length - 1, 60_000) - began;
  revive(village, target.index);
  return took;
}

/** A process without a disk is a stranger; the figures' members keep only what matters: their place. */
function revive(village: Village, index: number): void {
  const adder = village.at(0);
  const member = village.at(index);
  adder.input({ kind: "remove", id: member.id });
  village.run(500);
  member.start();
  village.join(adder, member);
  village.until(() => village.allSeeAll(), 60_000);
}

const sizes = process.argv.slice(2).map(Number);
const show = (values: readonly number[]): string => {
  const sorted = [...values].sort((a, b) => a - b);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return `${(mean / 1000).toFixed(2)} (max ${((sorted.at(-1) ?? 0) / 1000).toFixed(2)})`;
};
console.log("n  form s  killed→all dead s  silent→all dead s  note→all s  B/s  packets/s  real s");
for (const n of sizes.length > 0 ? sizes : [3, 10, 30, 60]) {
  const began = performance.now();
  const f = measure(n);
  console.log(
    `${n}  ${(f.formMs / 1000).toFixed(2)}  ${show(f.killedMs)}  ${show(f.silentMs)}  ${show(f.noteMs)}  ${f.bytesPerSecond.toFixed(0)}  ${f.packetsPerSecond.toFixed(2)}  ${((performance.now() - began) / 1000).toFixed(1)}`,
  );
}
