/**
 * Takes each datagram once: no packet of an earlier boot, none seen before (gossip.md §4.1).
 *
 * Members keep their window in their table entry. Senders that are not in the table have one too, since their packets
 * may be what makes them members, but only so many: the bound matters only to whoever makes up IDs.
 */

import { STRANGERS_MAX } from "../limits.ts";
import type { MemberId } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Opened } from "./packet.ts";
import { ReplayWindow } from "./replay-window.ts";
import type { Entry } from "./table.ts";

export class ReplayGuard {
  readonly #core: Core;
  readonly #strangers = new Map<MemberId, ReplayWindow>();

  constructor(core: Core) {
    this.#core = core;
  }

  /** Windows kept for senders that are no members. */
  get strangers(): number {
    return this.#strangers.size;
  }

  /** Judges a packet that was found whole, and remembers it. */
  judge(packet: Opened, entry: Entry | undefined): "fresh" | "old-boot" | "replay" {
    const known = entry?.profile?.boot ?? 0n;
    if (packet.boot < known) return "old-boot";
    const window = this.#windowOf(packet, entry);
    if (packet.boot < window.boot) return "old-boot";
    if (packet.boot > window.boot) window.restart(packet.boot);
    return window.accept(packet.counter) ? "fresh" : "replay";
  }

  reset(): void {
    this.#strangers.clear();
  }

  #windowOf(packet: Opened, entry: Entry | undefined): ReplayWindow {
    if (entry?.window !== undefined) return entry.window;
    const window = this.#strangers.get(packet.sender) ?? new ReplayWindow(packet.boot);
    if (entry !== undefined) {
      entry.window = window;
      this.#strangers.delete(packet.sender);
      return window;
    }
    if (this.#strangers.size >= STRANGERS_MAX && !this.#strangers.has(packet.sender)) {
      this.#core.count("strangers-forgotten", this.#strangers.size);
      this.#strangers.clear();
    }
    this.#strangers.set(packet.sender, window);
    return window;
  }
}
