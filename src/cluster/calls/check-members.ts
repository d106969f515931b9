/** `check-members`: look at every other member yourself and tell what you found (check-up by an operator). */

import { FAULTS, type MemberReport, PATH_CHECKS, type PathCheck } from "../doctor/report.ts";
import { type MemberStatus, WireError } from "../ports.ts";
import { defineCall, wireList, wireNothing, wireRecord, wireText } from "../rpc/define-call.ts";
import { readMember } from "./alert-payloads.ts";
import { readFacts, wireNumber } from "./member-facts.ts";

const MEMBERS_MAX = 100_000;

const STATUSES: readonly MemberStatus[] = [
  "alive",
  "leaving",
  "suspect",
  "dead",
  "left",
  "removed",
];

export const checkMembers = defineCall<null, MemberReport>({
  number: 18,
  name: "check-members",
  parseRequest: wireNothing,
  parseAnswer(input) {
    const raw = wireRecord(input, "member report");
    return {
      facts: readFacts(raw["facts"]),
      members: wireList(raw["members"], "members", MEMBERS_MAX).map((item) => {
        const member = wireRecord(item, "member");
        return {
          id: wireText(member["id"], "id"),
          status: oneOf(STATUSES, member["status"], "status"),
        };
      }),
      checks: wireList(raw["checks"], "checks", PATH_CHECKS.length * MEMBERS_MAX).map(readCheck),
      clocks: wireList(raw["clocks"], "clocks", MEMBERS_MAX).map((item) => {
        const clock = wireRecord(item, "clock");
        return {
          to: readMember(clock["to"]),
          offsetMs: wireNumber(clock["offsetMs"], "offsetMs"),
          errorMs: wireNumber(clock["errorMs"], "errorMs"),
        };
      }),
      heard: wireList(raw["heard"], "heard", MEMBERS_MAX).map(readFacts),
    };
  },
});

function readCheck(input: unknown): PathCheck {
  const raw = wireRecord(input, "check");
  const { fault } = raw;
  return {
    to: readMember(raw["to"]),
    check: oneOf(PATH_CHECKS, raw["check"], "check"),
    address: wireText(raw["address"], "address"),
    ms: wireNumber(raw["ms"], "ms"),
    ...(fault === undefined ? {} : { fault: oneOf(FAULTS, fault, "fault") }),
    detail: wireText(raw["detail"], "detail"),
  };
}

/** Throws `WireError` unless it is one of the words. */
function oneOf<Word extends string>(words: readonly Word[], input: unknown, what: string): Word {
  const word = words.find((known) => known === input);
  if (word === undefined) throw new WireError(`${what}: ${String(input).slice(0, 40)} is unknown`);
  return word;
}
