/**
 * What must have happened in a batch, else it proves nothing (simulation.md §10). Each is a counter of the core by the
 * name of its reason.
 */

import type { Theme } from "./plan.ts";

/** Reference's happening → counters, any of which shows it. */
const MEMBERSHIP: Readonly<Record<string, readonly string[]>> = {
  refutation: ["refuted-suspect"],
  "refutation after DEAD": ["refuted-dead"],
  "suspicion ended by confirmations": ["suspicions-confirmed"],
  "suspicion ended by time": ["suspicions-timed-out"],
  "suspicion ended by refused": ["suspicions-refused"],
  "TCP-only success": ["probes-tcp-only"],
  "tcp-only pair made": ["tcp-only-pairs-made"],
  "tcp-only pair dissolved": ["tcp-only-pairs-dissolved"],
  "helper NACK timeout": ["nacks-timeout"],
  "helper NACK refused": ["nacks-refused"],
  "sync by view hash": ["syncs-hash"],
  "sync to heal": ["syncs-heal"],
  BIG: ["big-sent"],
  "replay dropped": ["dropped-replay"],
  "packet of an earlier boot dropped": ["dropped-old-boot"],
  "packet of a foreign cluster dropped": ["dropped-foreign-cluster"],
  "corrupted packet dropped": ["dropped-bad-crc"],
  "corrupted sealed packet dropped": ["dropped-bad-seal"],
  "key unknown to one member": ["dropped-unknown-key"],
  "duplicate identity refused": ["duplicates-stopped"],
  "removal learned after a restart": ["removed-answers"],
  "removed member resets": ["removed-self"],
  stall: ["stalls"],
  "graceful leave": ["leaves"],
  "state write failed": ["state-writes-failed"],
  "large packets lost": ["padded-pings-lost"],
  "torn membership file at start": ["torn-files"],
  "lies told": ["lies-told"],
  "liar removed": ["liars-removed"],
};

const ALERTS: Readonly<Record<string, readonly string[]>> = {
  "takeover: connection refused": ["gone_refused"],
  "takeover: gossip says dead, refused": ["gone_dead_refused"],
  "takeover: leaving": ["gone_left"],
  "takeover: FAILED": ["takeover_passed"],
  "takeover: silence older than the delay": ["gone_dead_silent"],
  "takeover: wait is over": ["takeover_wait"],
  "takeover: HOLD at its cap": ["takeover_hold_cap"],
  "takeover of what a gone owner had": ["takeover_gone"],
  "wait recomputed": ["wait_recomputed"],
  "HOLD extends a wait": ["wait_held_by_other"],
  "hold-on-wake prevented a duplicate": ["pull_prevented_duplicate"],
  "sends held for a pull": ["held_for_pull"],
  "pull timeout": ["pull_timeout"],
  "producer acts itself": ["takeover_no_owner_answered"],
  "event accepted by a non-owner": ["event_for_non_owner"],
  "home owner replaced by a stand-in": ["stand_in"],
  "batch sent again": ["batch_repeated"],
  "copies left to the first owner": ["left_to_first_owner"],
  "first owner's word did not come": ["first_owner_missed"],
  "notice forwarded after owners changed": ["settled_forwarded"],
  "pending event persisted": ["pending_persisted"],
  "pending event taken up at start": ["pending_recovered"],
  "superseded by a newer event": ["superseded"],
  "send cancelled, done elsewhere": ["send_cancelled_done_elsewhere"],
  "handed over": ["handed_over"],
  "two joins crossing": ["joins-crossed"],
  "waits for the handlers of a joined cluster": ["waits_for_handlers"],
  stall: ["stall"],
  "torn tail at start": ["torn-logs"],
  "call refused as busy": ["calls-refused-busy"],
};

/** Names of what did not happen. */
export function missingCoverage(
  theme: Theme,
  counters: Readonly<Record<string, number>>,
  healthPeak: number,
): readonly string[] {
  const wanted = theme === "membership" ? MEMBERSHIP : ALERTS;
  const missing = Object.entries(wanted)
    .filter(([, names]) => !names.some((name) => (counters[name] ?? 0) > 0))
    .map(([what]) => what);
  if (theme === "membership" && healthPeak < 7) missing.push("health at 7");
  return missing;
}
