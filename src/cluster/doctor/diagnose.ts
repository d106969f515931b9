/**
 * From what all members found to the lines that an operator acts upon. Pure.
 *
 * A member that nobody reaches is one line, not one per check; the same fault of a member as seen by several others is
 * one line too. What follows from a line already there is left out.
 */

import type { ClusterView, MemberId, MemberView } from "../ports.ts";
import { shownStatus } from "../shown-status.ts";
import { pathAdvice } from "./advice.ts";
import {
  type Fault,
  type MemberFacts,
  type MemberReport,
  PATH_CHECKS,
  type PathCheck,
  type Problem,
} from "./report.ts";

/** Wall clocks may differ by this, milliseconds, beyond what the measurement may be wrong. */
export const CLOCK_MAX_MS = 1_000;

/** What came back from a member: its report, or why there is none. */
export interface Gathered {
  readonly id: MemberId;
  readonly report?: MemberReport;
  readonly error?: string;
}

type Seen = PathCheck & { readonly from: MemberId };

/** Worst first: members that are gone, then the cluster as a whole, then the ways between members. */
export function diagnose(view: ClusterView, gathered: readonly Gathered[]): readonly Problem[] {
  return new Diagnosis(view, gathered).problems();
}

class Diagnosis {
  readonly #view: ClusterView;
  readonly #gathered: readonly Gathered[];
  readonly #checks: readonly Seen[];
  readonly #names: ReadonlyMap<string, string>;
  /** Members that nobody reaches by anything. */
  readonly #gone: ReadonlySet<MemberId>;
  /** What is known of each member, from itself if possible. */
  readonly #facts: ReadonlyMap<string, MemberFacts>;

  constructor(view: ClusterView, gathered: readonly Gathered[]) {
    this.#view = view;
    this.#gathered = gathered;
    this.#checks = gathered.flatMap(({ id, report }) =>
      (report?.checks ?? []).map((check) => ({ from: id, ...check })),
    );
    this.#names = new Map(view.members.map(({ id, apiAddress }) => [id, apiAddress]));
    const reached = new Set(
      this.#checks
        .filter(({ check, fault }) => fault === undefined && check !== "names")
        .map(({ to }) => to),
    );
    this.#gone = new Set(
      gathered
        .filter(({ id, report }) => report === undefined && !reached.has(id))
        .map(({ id }) => id),
    );
    const reports = gathered.flatMap(({ report }) => report ?? []);
    this.#facts = new Map(
      [...reports.flatMap(({ heard }) => heard), ...reports.map(({ facts }) => facts)].map(
        (facts) => [facts.id, facts],
      ),
    );
  }

  problems(): readonly Problem[] {
    return [
      ...this.#members(),
      ...this.#clusterIds(),
      ...this.#views(),
      ...this.#agreement(),
      ...this.#clocks(),
      ...this.#paths(),
    ];
  }

  #name(id: string): string {
    return this.#names.get(id) ?? id;
  }

  #about(id: string, check: string, problem: string, advice: string): Problem {
    const reporters = this.#gathered.filter(({ report }) => report !== undefined);
    const [only] = reporters;
    const from = reporters.length === 1 && only !== undefined ? this.#name(only.id) : "all";
    return { from, to: this.#name(id), check, problem, advice };
  }

  #members(): readonly Problem[] {
    const { localId, members } = this.#view;
    return members.flatMap((member): Problem[] => {
      if (member.id === localId) return [];
      if (this.#gone.has(member.id)) return [this.#goneProblem(member)];
      if (this.#isLocked(member.id)) {
        const what = "it turns the others away: it may hold no key in common with them";
        return [this.#about(member.id, "keys", what, LOCKED_ADVICE)];
      }
      if (this.#isElsewhere(member.id)) return [];
      const found: Problem[] = [];
      const { error } = this.#gathered.find(({ id }) => id === member.id) ?? {};
      if (error !== undefined) {
        const what = `it does not tell what it sees: ${error}`;
        found.push(this.#about(member.id, "member", what, "see the rows of rpc, and its log"));
      }
      if (member.status !== "alive") {
        const advice = "wait some seconds and ask again; if it stays, see the other rows";
        const what = `it answers, but its status here is ${shownStatus(member.status)}`;
        found.push(this.#about(member.id, "member", what, advice));
      }
      return found;
    });
  }

  #goneProblem({ id, status }: MemberView): Problem {
    const refused = this.#checks.some(({ to, fault }) => to === id && fault === "refused");
    const shown = shownStatus(status);
    const unresolved = this.#checks.some(({ to, fault }) => to === id && fault === "unresolved");
    if (unresolved) {
      const advice =
        "correct the name in DNS or /etc/hosts, or hostname in the member's configuration";
      return this.#about(
        id,
        "member",
        `nobody reaches it (${shown}): its name is not found`,
        advice,
      );
    }
    return refused
      ? this.#about(
          id,
          "member",
          `it does not run (${shown}): its host refuses connections`,
          `start it; if it is gone for good: kapacitorctl member remove ${id}`,
        )
      : this.#about(
          id,
          "member",
          `nobody reaches it (${shown}): its host does not answer`,
          `check host and network; if it is gone for good: kapacitorctl member remove ${id}`,
        );
  }

  /** Its ports are open, but nobody who looked got a word out of it: what differing keys or certificates do. */
  #isLocked(id: MemberId): boolean {
    const isTurnedAway = (check: string): boolean => {
      const seen = this.#checks.filter((one) => one.to === id && one.check === check);
      return seen.length > 0 && seen.every(({ fault }) => fault !== undefined && AWAY.has(fault));
    };
    const { report } = this.#gathered.find((one) => one.id === id) ?? {};
    return report === undefined && isTurnedAway("rpc") && isTurnedAway("gossip-tcp");
  }

  #isElsewhere(id: string): boolean {
    const facts = this.#facts.get(id);
    return facts !== undefined && facts.clusterId !== this.#view.clusterId;
  }

  #clusterIds(): readonly Problem[] {
    const { members, clusterId } = this.#view;
    return members.flatMap(({ id }) =>
      this.#isElsewhere(id)
        ? this.#about(
            id,
            "cluster",
            `it belongs to cluster ${this.#facts.get(id)?.clusterId}, not to ${clusterId}`,
            "if it shall be a member: remove it here, then member add; else only remove it here",
          )
        : [],
    );
  }

  /** Members that one knows and another does not. */
  #views(): readonly Problem[] {
    const found: Problem[] = [];
    const here = new Set<string>(this.#view.members.map(({ id }) => id));
    for (const { id, report } of this.#gathered) {
      if (report === undefined || this.#isElsewhere(id)) continue;
      const there = new Map(report.members.map((member) => [member.id, member.status]));
      const missing = [...here].filter((member) => !there.has(member));
      const more = [...there.keys()].filter((member) => !here.has(member));
      for (const [members, what] of [
        [missing, "does not know"],
        [more, "also knows"],
      ] as const) {
        if (members.length === 0) continue;
        const names = members.map((member) => this.#name(member)).join(", ");
        const advice =
          "wait for the next gossip sync (60s) and ask again; then see rows of gossip-tcp";
        found.push(this.#about(id, "cluster", `it ${what} ${names}`, advice));
      }
    }
    return found;
  }

  #agreement(): readonly Problem[] {
    const known = [...this.#facts.values()].filter(
      ({ id }) => this.#names.has(id) && !this.#isElsewhere(id),
    );
    return [
      ...this.#differing(
        known,
        "version",
        ({ version }) => version,
        "finish the upgrade of all members",
      ),
      ...this.#differing(
        known,
        "keys",
        ({ keys }) => (keys.length === 0 ? "none" : keys.join(",")),
        "make [cluster] encryption-keys the same everywhere, in the same order",
      ),
      ...this.#differing(
        known,
        "redundancy",
        ({ redundancy }) => String(redundancy),
        "make [alert] redundancy the same everywhere; the largest is in effect",
      ),
    ];
  }

  #differing(
    known: readonly MemberFacts[],
    check: string,
    valueIn: (facts: MemberFacts) => string,
    advice: string,
  ): readonly Problem[] {
    const members = new Map<string, string[]>();
    for (const facts of known) {
      const value = valueIn(facts);
      members.set(value, [...(members.get(value) ?? []), this.#name(facts.id)]);
    }
    if (members.size < 2) return [];
    const shown = [...members].map(([value, names]) => `${value} on ${names.join(", ")}`);
    return [{ from: "all", to: "all", check, problem: `differs: ${shown.join("; ")}`, advice }];
  }

  /** Each member's clock against that of the asked one. */
  #clocks(): readonly Problem[] {
    const { localId } = this.#view;
    const report = this.#gathered.find(({ id }) => id === localId)?.report;
    return (report?.clocks ?? []).flatMap(({ to, offsetMs, errorMs }) => {
      if (Math.abs(offsetMs) - errorMs <= CLOCK_MAX_MS) return [];
      const seconds = `${(Math.abs(offsetMs) / 1000).toFixed(1)}s (± ${(errorMs / 1000).toFixed(3)}s)`;
      const side = offsetMs > 0 ? "ahead of" : "behind";
      const problem = `its clock is ${seconds} ${side} that of ${this.#name(localId)}`;
      return [
        {
          from: this.#name(localId),
          to: this.#name(to),
          check: "clock",
          problem,
          advice: CLOCK_ADVICE,
        },
      ];
    });
  }

  #paths(): readonly Problem[] {
    const rows = new Map<string, { readonly seen: Seen; readonly from: MemberId[] }>();
    for (const check of PATH_CHECKS) {
      for (const seen of this.#checks) {
        if (seen.check !== check || seen.fault === undefined || this.#gone.has(seen.to)) continue;
        // Members turn away another cluster's, and those without a common key; the row about that says it.
        const isTold = this.#isElsewhere(seen.to) || this.#isLocked(seen.to);
        if (isTold && check !== "names" && check !== "api") continue;
        const key = `${seen.to} ${check} ${seen.fault} ${seen.address}`;
        const row = rows.get(key);
        if (row === undefined) rows.set(key, { seen, from: [seen.from] });
        else row.from.push(seen.from);
      }
    }
    return [...rows.values()].map(({ seen, from }) => {
      const { problem, advice } = pathAdvice(seen, this.#facts.get(seen.to));
      const others = this.#checks.filter(
        ({ to, check, from: by }) => to === seen.to && check === seen.check && by !== seen.to,
      );
      const isAll = from.length > 1 && from.length >= others.length;
      return {
        from: isAll ? "all" : from.map((id) => this.#name(id)).join(", "),
        to: this.#name(seen.to),
        check: seen.check,
        problem,
        advice,
      };
    });
  }
}

const AWAY: ReadonlySet<Fault> = new Set(["closed", "refused-us", "wrong-answer"]);

const LOCKED_ADVICE =
  "compare [cluster] encryption-keys and [rpc] TLS settings with the others', and see its log";

const CLOCK_ADVICE =
  "let NTP or chrony set the clocks; notifications do not depend on them, logs do";
