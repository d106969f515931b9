/** What a failed check between two members means, and what to do about it. Texts for people. Pure. */

import type { Fault, MemberFacts, PathCheck } from "./report.ts";

interface Advice {
  readonly problem: string;
  readonly advice: string;
}

const PORTS = {
  "gossip-udp": "[cluster] bind-address, UDP",
  "gossip-tcp": "[cluster] bind-address, TCP",
  rpc: "[rpc] bind-address",
  api: "[http] bind-address",
  names: "hostname",
} as const;

/** `facts` of the member looked at, as far as known. */
export function pathAdvice(check: PathCheck, facts: MemberFacts | undefined): Advice {
  const { fault = "silent", address, detail } = check;
  return {
    problem: `${address}: ${detail === "" ? WORDS[fault] : detail}`,
    advice: adviceFor(check, fault, facts),
  };
}

const WORDS: Readonly<Record<Fault, string>> = {
  unresolved: "the name does not resolve",
  refused: "connection refused",
  silent: "no answer in time",
  "no-way-there": "datagrams do not arrive there",
  "no-way-back": "datagrams arrive there, the answers do not arrive here",
  lossy: "datagrams are lost",
  closed: "the connection was closed",
  "other-member": "another member answers there",
  "refused-us": "it turns this member away",
  "wrong-answer": "what came back was not understood",
};

function adviceFor(
  { check, address }: PathCheck,
  fault: Fault,
  facts: MemberFacts | undefined,
): string {
  const port = PORTS[check];
  switch (fault) {
    case "unresolved":
      return "correct the name in DNS or /etc/hosts, or hostname in the member's configuration";
    case "refused":
      return `nothing listens there: check ${port} of the member, it must be reachable from all`;
    case "silent":
      return `a packet filter drops it, or the address is wrong: open ${address} (${port}) for all members`;
    case "no-way-there":
      return `open UDP ${address} in the packet filters on the way; until then TCP is used`;
    case "no-way-back":
      return "open UDP to this member's own gossip port in the packet filters; until then TCP is used";
    case "lossy":
      return "look for an overloaded link or host; gossip bears some loss, but failures are noticed later";
    case "other-member":
      return "two members advertise one address, or it was reused: correct hostname or the address";
    case "refused-us":
    case "closed":
    case "wrong-answer":
      return keysAdvice(check, facts);
  }
}

function keysAdvice(check: PathCheck["check"], facts: MemberFacts | undefined): string {
  if (check === "api")
    return "something else listens there, or TLS differs: check [http] of the member";
  if (facts !== undefined && facts.keys.length === 0) {
    return "see the member's log; a proxy or load balancer between members must be taken out";
  }
  return "compare [cluster] encryption-keys and [rpc] TLS settings of both, and see the member's log";
}
