/**
 * What became of requests, by reason: shown as statistic `http`, so that nothing is refused unseen.
 *
 * Kept per set of services, so that two servers in one process count apart; only the memory of unfinished bodies,
 * which they share, is counted for all.
 */

import { unfinishedBodies } from "./body.ts";
import type { Statistic } from "./services.ts";

class HttpCounters {
  requests = 0;
  /** 401 and 403. */
  denied = 0;
  /** 413, 414 and 431. */
  tooLarge = 0;
  /** 503: too much is waiting, or too many are at work. */
  overloaded = 0;
  /** Other 5xx. */
  failed = 0;

  count(status: number): void {
    this.requests++;
    if (status < 400) return;
    if (status === 401 || status === 403) this.denied++;
    else if (status === 413 || status === 414 || status === 431) this.tooLarge++;
    else if (status === 503) this.overloaded++;
    else if (status >= 500) this.failed++;
  }
}

const counters = new WeakMap<object, HttpCounters>();

/** The counters of the server with these services. */
export function httpCounters(services: object): HttpCounters {
  const known = counters.get(services);
  if (known !== undefined) return known;
  const fresh = new HttpCounters();
  counters.set(services, fresh);
  return fresh;
}

export function httpStatistic(services: object): Statistic {
  const { requests, denied, tooLarge, overloaded, failed } = httpCounters(services);
  const { givenUp, bytes } = unfinishedBodies;
  return {
    name: "http",
    tags: {},
    values: {
      requests,
      requests_denied: denied,
      requests_too_large: tooLarge,
      requests_overloaded: overloaded,
      requests_failed: failed,
      bodies_given_up: givenUp,
      bodies_unfinished_bytes: bytes,
    },
  };
}
