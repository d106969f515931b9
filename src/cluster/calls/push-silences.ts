/** `push-silences`: silences that are new to the sender. Answered when they are on the receiver's disk. */

import type { SilenceChange } from "#alert/silence.ts";
import { defineCall, wireNothing, wireRecord } from "../rpc/define-call.ts";
import { readSilences } from "./silence-payloads.ts";

export const pushSilences = defineCall<readonly SilenceChange[], null>({
  number: 13,
  name: "push-silences",
  parseRequest: (input) => readSilences(wireRecord(input, "push")["silences"]),
  parseAnswer: wireNothing,
});
