/**
 * Turns a producer that calls back into items that are pulled; the producer waits until each was taken.
 *
 * So a query's answer and the disk go at the pace of the slower one, with one item between them. A reader that
 * stops early makes the producer's next call fail, so it never waits for ever.
 */

export class Handover<T> {
  readonly #produce: (take: (item: T) => Promise<void>) => Promise<void>;

  constructor(produce: (take: (item: T) => Promise<void>) => Promise<void>) {
    this.#produce = produce;
  }

  /** Starts the producer; rejects where it does. To be called once. */
  async *items(): AsyncGenerator<T> {
    let offered = Promise.withResolvers<Offer<T> | undefined>();
    let isOver = false;
    let release = (): void => {};
    this.#produce((item) => {
      if (isOver) return Promise.reject(new Error("nobody reads on"));
      const { promise, resolve } = Promise.withResolvers<void>();
      offered.resolve({ item, taken: resolve });
      return promise;
    }).then(
      () => offered.resolve(undefined),
      (error: unknown) => offered.reject(error),
    );
    try {
      for (;;) {
        const next = await offered.promise;
        if (next === undefined) return;
        offered = Promise.withResolvers();
        // A failure may come before the next item is asked for.
        offered.promise.catch(() => {});
        release = next.taken;
        yield next.item;
        release();
      }
    } finally {
      isOver = true;
      release();
    }
  }
}

interface Offer<T> {
  readonly item: T;
  readonly taken: () => void;
}
