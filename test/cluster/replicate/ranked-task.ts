/** Tasks for tests that need to know which member comes first. */

import { score } from "#cluster/ownership/ranking.ts";
import { memberId } from "#test/cluster/rpc/fake-network.ts";

/** A task whose order of members is this one. */
export function taskFor(order: readonly number[]): string {
  for (let i = 0; ; i++) {
    const task = `t${i}`;
    const ranked = [...order].sort((a, b) =>
      score(task, memberId(a)) > score(task, memberId(b)) ? -1 : 1,
    );
    if (Bun.deepEquals(ranked, order)) return task;
  }
}
