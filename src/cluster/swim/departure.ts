/**
 * Leaving gracefully: say *leaving*, let work be handed over, say LEFT to everybody alive, be gone
 * (gossip.md §10). Others keep a left member in the cluster and do not wait for it.
 */

import { shuffle } from "#lib/random.ts";
import type { MonoMs } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Facts } from "./facts.ts";
import type { Entry } from "./table.ts";

/** LEFT is sent for at most this long, milliseconds. */
const DEPART_MS = 1_000;
/** Between two batches of LEFT; with 6 packets each, 120 members hear it in a second. */
const BATCH_MS = 50;

export class Departure {
  readonly #core: Core;
  readonly #facts: Facts;

  constructor(core: Core, facts: Facts) {
    this.#core = core;
    this.#facts = facts;
  }

  leave(): void {
    const core = this.#core;
    if (core.leaving) return;
    core.leaving = true;
    this.#facts.updateSelf({ ...core.profile, leaving: true });
    core.count("leaves");
  }

  depart(): void {
    const core = this.#core;
    core.leaving = true;
    const others = [...core.table.live];
    shuffle(core.random, others);
    this.#batch(others, core.now + DEPART_MS);
  }

  #batch(others: Entry[], until: MonoMs): void {
    const core = this.#core;
    const { id, epoch, incarnation } = core.self;
    const left = { kind: "left", version: { epoch, incarnation }, id } as const;
    const count = 2 * core.options.gossipMembers;
    for (const entry of others.splice(0, count)) core.send(entry, [left]);
    if (others.length > 0 && core.now < until) {
      core.timers.add(core.now + BATCH_MS, () => this.#batch(others, until));
      return;
    }
    core.halted = true;
    core.out.push({ kind: "gone" });
  }
}
