/**
 * One member's look at every other: names, gossip by datagram and connection, RPC, HTTP API, clock.
 *
 * Every check dials anew, as a member would that has just started: a connection that happens to stand proves nothing
 * about the next one. All checks of all members run at once, and each ends within `CHECK_MS`.
 */

import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import { memberFacts } from "../calls/member-facts.ts";
import { splitHostPort } from "../messages/ip.ts";
import type { MemberId, Membership, MemberView, Rpc } from "../ports.ts";
import { resolveAddress } from "../rpc/resolve.ts";
import { RpcError } from "../rpc/rpc-error.ts";
import { ask } from "../rpc/typed-calls.ts";
import type { PathOutcome } from "../swim/io.ts";
import { CHECK_PINGS } from "../swim/path-checks.ts";
import type { ClockOffset, Fault, MemberFacts, MemberReport, PathCheck } from "./report.ts";

/** Bound of one check, milliseconds. */
export const CHECK_MS = 2_000;
/** For asking whether datagrams arrived, after the path check's own time. */
const ASK_AGE_MS = 400;
/** As many datagrams may be lost before it is worth a word. */
const LOST_MAX = 1;

export interface GossipPaths {
  checkPath(member: MemberId): Promise<PathOutcome>;
}

export interface CheckParts {
  readonly clock: Clock;
  readonly rpc: Rpc;
  readonly membership: Membership;
  readonly paths: GossipPaths;
  /** Own facts as told to somebody. */
  readonly facts: (asker: MemberId) => MemberFacts;
  /** Asks an HTTP API for a sign of life; resolves with what is wrong with it. Ends when the signal is aborted. */
  readonly pingApi: (
    address: string,
    tls: boolean,
    signal: AbortSignal,
  ) => Promise<{ readonly fault: Fault; readonly detail: string } | undefined>;
}

interface Heard {
  readonly check: PathCheck;
  readonly facts?: MemberFacts;
  readonly clock?: ClockOffset;
}

/** Resolves within about two checks' time; never rejects. */
export async function checkOthers(parts: CheckParts): Promise<MemberReport> {
  const { localId, members } = parts.membership.view();
  const all = await Promise.all(
    members.map((member) =>
      member.id === localId ? checkOwn(parts, member) : checkOne(parts, member),
    ),
  );
  return {
    facts: parts.facts(localId),
    members: members.map(({ id, status }) => ({ id, status })),
    checks: all.flatMap(({ checks }) => checks),
    clocks: all.flatMap(({ heard }) => heard?.clock ?? []),
    heard: all.flatMap(({ heard }) => heard?.facts ?? []),
  };
}

interface Checked {
  readonly checks: readonly PathCheck[];
  readonly heard?: Heard;
}

async function checkOwn({ clock }: CheckParts, member: MemberView): Promise<Checked> {
  return { checks: [await checkNames(clock, member)] };
}

async function checkOne(parts: CheckParts, member: MemberView): Promise<Checked> {
  const hearing = checkRpc(parts, member);
  const [names, gossip, heard, api] = await Promise.all([
    checkNames(parts.clock, member),
    checkGossip(parts, member),
    hearing,
    hearing.then(({ facts }) => checkApi(parts, member, facts)),
  ]);
  return { checks: [names, ...gossip, heard.check, api], heard };
}

/** All names that the member advertises; the address says what they resolve to. */
async function checkNames(clock: Clock, { id, ...member }: MemberView): Promise<PathCheck> {
  const start = clock.monoMs();
  const texts = [member.gossipAddress, member.rpcAddress, member.apiAddress];
  const hosts = [...new Set(texts.map((text) => splitHostPort(text)?.host ?? text))];
  const found = await Promise.all(
    texts.map((text) =>
      within(clock, resolveAddress(text)).then(
        (addresses) => ({ addresses: addresses.map(({ host }) => host), error: "" }),
        (error: unknown) => ({ addresses: [], error: errorMessage(error) }),
      ),
    ),
  );
  const errors = [...new Set(found.map(({ error }) => error).filter((error) => error !== ""))];
  const addresses = [...new Set(found.flatMap((one) => one.addresses))];
  return {
    to: id,
    check: "names",
    address: addresses.length === 0 ? hosts.join(", ") : addresses.join(", "),
    ms: clock.monoMs() - start,
    ...(errors.length === 0 ? {} : { fault: "unresolved" as const }),
    detail: errors.join("; "),
  };
}

async function checkGossip(parts: CheckParts, member: MemberView): Promise<readonly PathCheck[]> {
  const { clock } = parts;
  const start = clock.monoMs();
  const outcome = await parts.paths.checkPath(member.id);
  const sinceMs = clock.monoMs() - start;
  const tcp: PathCheck = {
    to: member.id,
    check: "gossip-tcp",
    address: member.gossipAddress,
    ms: sinceMs,
    ...tcpFault(outcome.tcp),
  };
  const udp: PathCheck = {
    to: member.id,
    check: "gossip-udp",
    address: outcome.udpAddress === "" ? member.gossipAddress : outcome.udpAddress,
    ms: outcome.answered > 0 ? outcome.udpMs : sinceMs,
    ...(await udpFault(parts, { member, outcome, sinceMs })),
  };
  return [udp, tcp];
}

function tcpFault(tcp: PathOutcome["tcp"]): Pick<PathCheck, "fault" | "detail"> {
  switch (tcp) {
    case "ok":
      return { detail: "" };
    case "refused":
      return { fault: "refused", detail: "connection refused" };
    case "unresolved":
      return { fault: "unresolved", detail: "the name does not resolve" };
    case "not-the-member":
      return { fault: "other-member", detail: "another member or cluster answers there" };
    case "protocol":
      return { fault: "wrong-answer", detail: "what came back was not understood" };
    case "closed":
    case "reset":
      return { fault: "closed", detail: "the connection was closed" };
    default:
      return { fault: "silent", detail: tcp === "no-route" ? "no route" : "no answer in time" };
  }
}

/** None of the datagrams was answered: the member knows whether they arrived. */
async function udpFault(
  { rpc }: CheckParts,
  asked: {
    readonly member: MemberView;
    readonly outcome: PathOutcome;
    readonly sinceMs: number;
  },
): Promise<Pick<PathCheck, "fault" | "detail">> {
  const { answered } = asked.outcome;
  if (answered >= CHECK_PINGS - LOST_MAX) return { detail: "" };
  if (answered > 0) {
    return { fault: "lossy", detail: `${answered} of ${CHECK_PINGS} datagrams were answered` };
  }
  const options = { payload: null, timeoutMs: ASK_AGE_MS };
  try {
    const { pingAgeMs } = await ask(rpc, memberFacts, asked.member.id, options);
    const arrived = pingAgeMs >= 0 && pingAgeMs < asked.sinceMs;
    return arrived
      ? { fault: "no-way-back", detail: "datagrams arrive there, the answers do not arrive here" }
      : { fault: "no-way-there", detail: "datagrams do not arrive there" };
  } catch {
    return { fault: "silent", detail: "no datagram was answered" };
  }
}

async function checkRpc(
  { clock, rpc, facts: ownFacts }: CheckParts,
  { id, rpcAddress }: MemberView,
): Promise<Heard> {
  const start = clock.monoMs();
  const base = { to: id, check: "rpc", address: rpcAddress } as const;
  try {
    const asked = rpc.callAddress(rpcAddress, memberFacts.name, null, CHECK_MS);
    const facts = (await within(clock, asked)) as MemberFacts;
    const ms = clock.monoMs() - start;
    // The answer was written about half of the round trip ago.
    const offsetMs = facts.wallMs - (clock.now().ms - ms / 2);
    const check: PathCheck = { ...base, ms, ...identityFault(facts, id, ownFacts(id)) };
    if (facts.id !== id) return { check };
    return { check, facts, clock: { to: id, offsetMs, errorMs: ms / 2 } };
  } catch (error) {
    return { check: { ...base, ms: clock.monoMs() - start, ...rpcFault(error) } };
  }
}

function identityFault(
  facts: MemberFacts,
  id: MemberId,
  own: MemberFacts,
): Pick<PathCheck, "fault" | "detail"> {
  if (facts.id !== id) {
    return { fault: "other-member", detail: `member ${facts.id} answers there` };
  }
  if (facts.protocolMin > own.protocolMax || facts.protocolMax < own.protocolMin) {
    const spoken = `protocol ${facts.protocolMin} to ${facts.protocolMax}`;
    return { fault: "wrong-answer", detail: `it speaks ${spoken}, which this member does not` };
  }
  return { detail: "" };
}

function rpcFault(error: unknown): Pick<PathCheck, "fault" | "detail"> {
  const detail = errorMessage(error);
  if (!(error instanceof RpcError)) return { fault: "silent", detail };
  switch (error.reason) {
    case "refused":
      return { fault: "refused", detail };
    case "answered":
    case "busy":
      return { fault: "refused-us", detail };
    case "lost":
      return { fault: "closed", detail };
    case "timeout":
      return { fault: "silent", detail };
    default:
      return { fault: unreachableFault(detail), detail };
  }
}

function unreachableFault(detail: string): Fault {
  if (detail.includes("does not resolve")) return "unresolved";
  return /timed out|no hello|no route/i.test(detail) ? "silent" : "closed";
}

async function checkApi(
  { clock, pingApi, facts: ownFacts }: CheckParts,
  { id, apiAddress }: MemberView,
  facts: MemberFacts | undefined,
): Promise<PathCheck> {
  const start = clock.monoMs();
  const { apiTls } = facts ?? ownFacts(id);
  const over = new AbortController();
  const cancel = clock.after(CHECK_MS, () => over.abort());
  const wrong = await pingApi(apiAddress, apiTls, over.signal);
  cancel();
  const ms = clock.monoMs() - start;
  return { to: id, check: "api", address: apiAddress, ms, detail: "", ...wrong };
}

/** Rejects with a time-out `RpcError` when the promise is not settled within a check's time. */
async function within<T>(clock: Clock, promise: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const cancel = clock.after(CHECK_MS, () =>
    late.reject(new RpcError("timeout", `no answer within ${CHECK_MS / 1000}s`)),
  );
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    cancel();
  }
}
