/**
 * `member-facts`: who are you? Asked over a new connection by a check-up, also of a member that belongs to another
 * cluster by now, because that is one of the things to find out.
 */

import type { MemberFacts } from "../doctor/report.ts";
import {
  defineCall,
  wireCount,
  wireFlag,
  wireList,
  wireNothing,
  wireRecord,
  wireText,
} from "../rpc/define-call.ts";

const KEYS_MAX = 1_000;

export const memberFacts = defineCall<null, MemberFacts>({
  number: 19,
  name: "member-facts",
  joining: true,
  parseRequest: wireNothing,
  parseAnswer: readFacts,
});

/** Throws `WireError` for anything that is not facts. */
export function readFacts(input: unknown): MemberFacts {
  const raw = wireRecord(input, "member facts");
  return {
    id: wireText(raw["id"], "id"),
    clusterId: wireText(raw["clusterId"], "clusterId"),
    version: wireText(raw["version"], "version"),
    protocolMin: wireCount(raw["protocolMin"], "protocolMin"),
    protocolMax: wireCount(raw["protocolMax"], "protocolMax"),
    wallMs: wireNumber(raw["wallMs"], "wallMs"),
    keys: wireList(raw["keys"], "keys", KEYS_MAX).map((key) => wireText(key, "key")),
    redundancy: wireCount(raw["redundancy"], "redundancy"),
    apiTls: wireFlag(raw["apiTls"], "apiTls"),
    pingAgeMs: wireNumber(raw["pingAgeMs"], "pingAgeMs"),
  };
}

/** Any finite number. */
export function wireNumber(input: unknown, what: string): number {
  return typeof input === "number" && Number.isFinite(input) ? input : wireCount(input, what);
}
