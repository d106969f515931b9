/**
 * Counts the changes of the acting owners, so that an event can be compared with the owners it was sent to.
 */

export class OwnersEpoch {
  #number = 1;
  #changedAt = Number.NEGATIVE_INFINITY;

  get number(): number {
    return this.#number;
  }

  /** When the acting owners last changed; core time. */
  get changedAt(): number {
    return this.#changedAt;
  }

  /** The acting owners of some topics are others from now on; core time. */
  begin(now: number): void {
    this.#number++;
    this.#changedAt = now;
  }
}
