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
  [
    "alerts",
    885,
    "an add that waited for a removal went on in the cluster that the removed member began",
  ],
  [
    "alerts",
    910,
    "word of an older event made an owner forget that another one was sending the next",
  ],
  [
    "alerts",
    968,
    "a connection closed by a removal was taken for a good one after the member came back",
  ],
  ["alerts", 895, "a sole owner's completions left the cluster together with it"],
  [
    "alerts",
    1055,
    "who had stood in for an owner sent again what that one, back again, was telling",
  ],
  [
    "alerts",
    1235,
    "notices waited two seconds because batches that failed together counted one by one",
  ],
  ["alerts", 1395, "a cut that began just before a HOLD was taken for longer than it was"],
  ["alerts", 2434, "an event dropped when one producer raised it was lost when the lead did"],
  ["alerts", 3210, "a backlog from the time alone went out behind what the cluster had told"],
  ["alerts", 3920, "a member whose removal failed gave up events that only their producers had"],
  ["alerts", 4657, "a removal that waited was recorded in the cluster its member began meanwhile"],
  ["membership", 75, "a hint of a member that is alone waited for ever"],
  [
    "alerts",
    1419,
    "the last one to leave sent at once when it started, though others had come back",
  ],
  [
    "alerts",
    3838,
    "a HOLD that was refused for now was said again later than the next owner waits",
  ],
  ["alerts", 4566, "HOLDs that were refused for now were not said again before the next beat"],
  [
    "alerts",
    1078,
    "who was told of a failure only when it had given the event up still waited for the one that failed",
  ],
  ["alerts", 1261, "a send was begun and cancelled at once, because its end was known meanwhile"],
  ["alerts", 3793, "an event that was told before it could travel never reached the second owner"],
  ["alerts", 3458, "a producer that had heard of the owner again acted as if there were none"],
  ["alerts", 1027, "an event was given up because all its owners were being removed at once"],
  ["alerts", 1055, "who heard of ends late took the holder for one that makes no progress"],
  [
    "alerts",
    994,
    "an old end that a pull told of ended the rest of an endpoint that all had failed to tell",
  ],
  ["alerts", 1266, "a stand-in that only one member had called in was not told what had been done"],
  ["alerts", 2345, "a producer acted for an owner whose connection had been lost just before"],
  [
    "membership",
    38641,
    "a removal that waited was recorded by a member that had been removed meanwhile",
  ],
  ["membership", 47400, "a life that was over kept its member from starting from an older disk"],
  ["membership", 5149, "a cut that healed in part stayed, because the same three dialled for ever"],
];
