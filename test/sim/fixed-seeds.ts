/** Seeds that once failed, each with a line about what went wrong in us. They run with every batch. */

import type { Theme } from "./plan.ts";

export const FIXED_SEEDS: readonly (readonly [Theme, number, string])[] = [
  ["alerts", 16, "a pull's old completion made an owner forget that another one was sending"],
  ["alerts", 65, "a connection that came up before its member was in the view was forgotten"],
  ["alerts", 66, "notices of one batch were applied one by one, and sends started in between"],
  ["alerts", 92, "an older event that came late made a handler give the newer one up"],
  ["alerts", 181, "a member that joined took events before it knew the cluster's handlers"],
  ["alerts", 207, "after its own send a later owner did not leave the next event to the first"],
  ["alerts", 246, "a new owner was not told of completions older than its last pull"],
  ["alerts", 297, "a removed member's sends were cut off ten seconds after it had handed over"],
  ["membership", 75, "a hint of a member that is alone waited for ever"],
];
