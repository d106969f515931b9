/**
 * How much of unfinished request bodies is held at once, whoever sends them.
 *
 * A body counts with what has arrived, not with what it announces, so a client that sends nothing holds nothing.
 * When the sum is full, the body that has waited longest for its next part is given up: those who stopped
 * sending make room for those who go on. No timer is needed.
 */

/** One body that is being received. */
export interface ReceivedBody {
  /** Counts a part that arrived; false when this body was given up, then or before. */
  take(bytes: number): boolean;
  /** The body is complete or abandoned: its bytes count no longer. */
  close(): void;
}

interface Held {
  bytes: number;
  readonly giveUp: () => void;
}

export class BodyBudget {
  readonly #bytesMax: number;
  /** In the order of their last parts, longest ago first. */
  readonly #held = new Set<Held>();
  #bytes = 0;
  /** Bodies given up since start. */
  givenUp = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes of unfinished bodies held now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** `giveUp` is called at most once, when this body has to make room. */
  open(giveUp: () => void): ReceivedBody {
    const held: Held = { bytes: 0, giveUp };
    this.#held.add(held);
    return {
      take: (bytes) => {
        if (!this.#held.delete(held)) return false;
        this.#held.add(held);
        held.bytes += bytes;
        this.#bytes += bytes;
        while (this.#bytes > this.#bytesMax) this.#giveUpStalest();
        return this.#held.has(held);
      },
      close: () => this.#drop(held),
    };
  }

  #giveUpStalest(): void {
    for (const stalest of this.#held) {
      // What has sent nothing holds nothing.
      if (stalest.bytes === 0) continue;
      this.#drop(stalest);
      this.givenUp++;
      stalest.giveUp();
      return;
    }
  }

  #drop(held: Held): void {
    if (this.#held.delete(held)) this.#bytes -= held.bytes;
  }
}
