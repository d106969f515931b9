/**
 * Check-ups of the whole cluster: the member that is asked has every other one look around, and tells what is wrong.
 *
 * A member that does not answer is looked at by the others; its own view is then missing, and that is said.
 */

import { errorMessage } from "#lib/errors.ts";
import { checkMembers } from "../calls/check-members.ts";
import { memberFacts } from "../calls/member-facts.ts";
import type { MemberId } from "../ports.ts";
import { ask, serve } from "../rpc/typed-calls.ts";
import { PROTOCOL_MAX, PROTOCOL_MIN } from "../transport/hello.ts";
import { diagnose, type Gathered } from "./diagnose.ts";
import { CHECK_MS, type CheckParts, checkOthers, type GossipPaths } from "./member-checks.ts";
import type { ClusterDoctor, DoctorReport, MemberFacts, MemberReport } from "./report.ts";

/** For a member's own checks, of which two may follow one another, and the way there and back, milliseconds. */
const REPORT_MS = 2 * CHECK_MS + 1_000;

export interface DoctorPaths extends GossipPaths {
  /** Milliseconds since a ping of this member came by datagram. */
  pingAgeMs(member: MemberId): number | undefined;
}

export interface DoctorParts extends Omit<CheckParts, "facts"> {
  readonly paths: DoctorPaths;
  /** What does not change while the daemon runs. */
  readonly own: Pick<MemberFacts, "version" | "keys" | "apiTls" | "redundancy">;
}

export class Doctor implements ClusterDoctor {
  readonly #parts: DoctorParts;
  readonly #checks: CheckParts;
  /** At most one round of own checks runs; whoever asks meanwhile gets the same. */
  #running: Promise<MemberReport> | undefined;

  constructor(parts: DoctorParts) {
    this.#parts = parts;
    this.#checks = { ...parts, facts: (asker) => this.#facts(asker) };
  }

  /** Registers the answerers; before calls are accepted. */
  open(): void {
    serve(this.#parts.rpc, memberFacts, (from) => this.#facts(from));
    serve(this.#parts.rpc, checkMembers, () => this.#checkOthers());
  }

  async examine(): Promise<DoctorReport> {
    const { membership, rpc } = this.#parts;
    const { localId, members } = membership.view();
    const gathered: Gathered[] = await Promise.all(
      members.map(async ({ id }) => {
        if (id === localId) return { id, report: await this.#checkOthers() };
        try {
          const options = { payload: null, timeoutMs: REPORT_MS };
          return { id, report: await ask(rpc, checkMembers, id, options) };
        } catch (error) {
          return { id, error: errorMessage(error) };
        }
      }),
    );
    const view = membership.view();
    const reports = gathered.flatMap(({ id, report }) =>
      report === undefined ? [] : { id, report },
    );
    const versions = new Map(
      reports
        .flatMap(({ report }) => [...report.heard, report.facts])
        .map((f) => [f.id, f.version]),
    );
    return {
      clusterId: view.clusterId,
      localId,
      members: view.members.map(({ id, apiAddress, status }) => ({
        id,
        apiAddress,
        status,
        answered: reports.some((one) => one.id === id),
        version: versions.get(id) ?? "",
      })),
      checks: reports.flatMap(({ id, report }) =>
        report.checks.map((one) => ({ from: id, ...one })),
      ),
      clocks: reports.flatMap(({ id, report }) =>
        report.clocks.map((one) => ({ from: id, ...one })),
      ),
      problems: diagnose(view, gathered),
    };
  }

  #checkOthers(): Promise<MemberReport> {
    this.#running ??= checkOthers(this.#checks).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  #facts(asker: MemberId): MemberFacts {
    const { membership, clock, paths, own } = this.#parts;
    const { localId, clusterId } = membership.view();
    return {
      id: localId,
      clusterId,
      ...own,
      protocolMin: PROTOCOL_MIN,
      protocolMax: PROTOCOL_MAX,
      wallMs: clock.now().ms,
      pingAgeMs: paths.pingAgeMs(asker) ?? -1,
    };
  }
}
