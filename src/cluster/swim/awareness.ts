/**
 * Local health: how much this member doubts itself, 0 (well) … 7.
 *
 * It stretches the probe interval and nothing else. Source: Lifeguard (2017), self-awareness.
 */

export const HEALTH_MAX = 7;

export class Awareness {
  #score = 0;
  /** Highest score seen; coverage for the simulator. */
  peak = 0;

  get score(): number {
    return this.#score;
  }

  add(points: number): void {
    this.#score = Math.min(HEALTH_MAX, Math.max(0, this.#score + points));
    this.peak = Math.max(this.peak, this.#score);
  }

  reset(): void {
    this.#score = 0;
  }
}
