/**
 * What an alert remembers of one group: levels, times, flapping.
 *
 * Only the last level is kept unless flapping is watched; then a ring of levels is. The weighted sum is
 * computed over the ring exactly as the original does: newest pair first, then oldest against newest, and one
 * pair left out. Source: reference nodes.md §10, alerts.md §4.4.
 */

import type { Level } from "#alert/level.ts";
import type { Group } from "#model/group.ts";
import type { Series } from "#model/series.ts";

export interface FlappingRule {
  readonly low: number;
  readonly high: number;
  /** Levels in the ring. */
  readonly history: number;
}

export class AlertGroup {
  readonly group: Group;
  /** Last level. */
  level: Level = 0;
  /** The level before. */
  previous: Level = 0;
  isFlapping = false;
  /** When an event was last triggered. */
  lastMs: number;
  lastNs: number;
  /** When the level last left OK. */
  firstMs: number;
  firstNs: number;
  /** True while this group inhibits others. */
  inhibits = false;
  /** The rendered event ID, and the series it was rendered for. */
  id = "";
  idSeries: Series | undefined;
  readonly #ring: Uint8Array | undefined;
  #newest = 0;

  constructor(group: Group, ringSize: number, ms: number, ns: number) {
    this.group = group;
    this.lastMs = ms;
    this.lastNs = ns;
    this.firstMs = ms;
    this.firstNs = ns;
    this.#ring = ringSize > 0 ? new Uint8Array(ringSize) : undefined;
  }

  /** Plain numbers, for snapshots; the event ID is saved beside them. */
  save(): readonly number[] {
    const { level, previous, lastMs, lastNs, firstMs, firstNs } = this;
    const flags = (this.isFlapping ? 1 : 0) + (this.inhibits ? 2 : 0);
    const times = [lastMs, lastNs, firstMs, firstNs];
    return [level, previous, flags, ...times, this.#newest, ...(this.#ring ?? [])];
  }

  /** Takes back what `save` gave; a ring of another size starts empty. */
  load(saved: readonly number[]): void {
    const [level = 0, previous = 0, flags = 0, lastMs = 0, lastNs = 0, ...rest] = saved;
    const [firstMs = 0, firstNs = 0, newest = 0, ...ring] = rest;
    this.level = levelOf(level);
    this.previous = levelOf(previous);
    this.isFlapping = (flags & 1) !== 0;
    this.inhibits = (flags & 2) !== 0;
    this.lastMs = lastMs;
    this.lastNs = lastNs;
    this.firstMs = firstMs;
    this.firstNs = firstNs;
    if (this.#ring === undefined || ring.length !== this.#ring.length) return;
    this.#ring.set(ring.map(levelOf));
    this.#newest = Math.min(Math.max(0, newest), ring.length - 1);
  }

  /** Takes the next level; true when it differs from the last. */
  push(level: Level): boolean {
    const changed = level !== this.level;
    this.previous = this.level;
    this.level = level;
    const ring = this.#ring;
    if (ring !== undefined) {
      this.#newest = (this.#newest + 1) % ring.length;
      ring[this.#newest] = level;
    }
    return changed;
  }

  /** Judges flapping anew; call after `push`. */
  watchFlapping(rule: FlappingRule): void {
    const share = this.#changeShare();
    if (this.isFlapping) {
      if (share < rule.low) this.isFlapping = false;
    } else if (share > rule.high) {
      this.isFlapping = true;
    }
  }

  /** The weighted share of changes in the ring, 0 … about 1. */
  #changeShare(): number {
    const ring = this.#ring;
    if (ring === undefined) return 0;
    const size = ring.length;
    const step = 0.4 / (size - 1);
    let weight = 0.8;
    let changes = 0;
    for (let i = 0; i < size - 1; i++) {
      const at = (this.#newest + i) % size;
      const before = (at + size - 1) % size;
      if (ring[at] !== ring[before]) changes += weight;
      weight += step;
    }
    return changes / (size - 1);
  }
}

function levelOf(number: number): Level {
  return number === 1 || number === 2 || number === 3 ? number : 0;
}
