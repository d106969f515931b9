/**
 * The cluster's parts in their order: membership from disk, calls between members, ownership, replication; then
 * everything goes on the air at once.
 *
 * Whoever answers calls is registered before calls are accepted, so no member ever meets a half-open one. A
 * stand-alone daemon opens the same parts; they are silent until a member is added.
 */

import type { AlertService } from "#alert/alert-service.ts";
import { stateOf } from "#alert/event.ts";
import type { HandlerDefinitions, Ownership, TopicReads, Topics } from "#alert/ports.ts";
import { CALLS } from "#cluster/calls/registry.ts";
import { Cluster } from "#cluster/cluster.ts";
import { Doctor } from "#cluster/doctor/doctor.ts";
import type { ClusterDoctor } from "#cluster/doctor/report.ts";
import { EventStamps } from "#cluster/event-stamps.ts";
import { OWNERSHIP_KINDS } from "#cluster/ownership/kinds.ts";
import { OwnershipService } from "#cluster/ownership/ownership-service.ts";
import type { ClusterView, MemberId, Membership } from "#cluster/ports.ts";
import { ClusterTopics } from "#cluster/replicate/cluster-topics.ts";
import { HandlerReplication } from "#cluster/replicate/handler-replication.ts";
import { REPLICATION_KINDS } from "#cluster/replicate/kinds.ts";
import { EQUAL_MAX_MS, RETURN_DELAYS } from "#cluster/replicate/limits.ts";
import { replicatedTopics } from "#cluster/replicate/replicated-topics.ts";
import { SilenceReplication, type SilenceTable } from "#cluster/replicate/silence-replication.ts";
import { TaskReplication } from "#cluster/replicate/task-replication.ts";
import { TaskRunners } from "#cluster/replicate/task-runners.ts";
import { TopicSync } from "#cluster/replicate/topic-sync.ts";
import { RpcLinks } from "#cluster/rpc/rpc-links.ts";
import { shownStatus } from "#cluster/shown-status.ts";
import { joinReports, type KeyReport } from "#cluster/swim/key-ring.ts";
import type { ClusterSettings } from "#config/cluster-settings.ts";
import type { Statistic } from "#http/services.ts";
import { Closers } from "#lib/closers.ts";
import type { AnyKind, Store } from "#storage/store.ts";
import { ClusterFiles } from "./cluster-files.ts";
import { exposureWarnings, rpcAddressProblem } from "./exposure.ts";
import type { Identity } from "./identity.ts";
import { keyFingerprint } from "./key-fingerprint.ts";
import { pingApi } from "./ping-api.ts";
import { readRpcTls } from "./rpc-tls.ts";
import type { RunOptions } from "./run-options.ts";
import { VERSION } from "./version.ts";

/** What the cluster keeps in the store. */
export const CLUSTER_KINDS: readonly AnyKind[] = [
  ...OWNERSHIP_KINDS,
  ...REPLICATION_KINDS,
] as readonly AnyKind[];

/** Topics of a task's own (`main:<task>:<node>`) belong to the member that runs it. */
const ANONYMOUS_PREFIX = "main:";

export interface OpenClusterOptions {
  readonly settings: ClusterSettings;
  /** Where `cluster.members` lives. */
  readonly dataDir: string;
  readonly run: RunOptions;
  readonly identity: Identity;
  readonly store: Store;
  readonly alerts: AlertService;
  readonly silences: SilenceTable;
  /** The API is behind TLS. */
  readonly apiTls: boolean;
  /** The cluster ID on disk has changed; subscriptions hang on it. */
  readonly onClusterId: () => void;
}

export interface OpenCluster {
  readonly membership: Membership;
  readonly ownership: Ownership;
  readonly handlers: HandlerDefinitions;
  readonly topics: Topics;
  /** Check-ups of the ways between members. */
  readonly doctor: ClusterDoctor;
  /** Topics for the API: asks owners where this member is none. */
  readonly topicReads: TopicReads;
  /** Definitions of cluster tasks, and who runs them. */
  readonly tasks: { readonly table: TaskReplication; readonly runners: TaskRunners };
  /** Resolves, within a second, when topic states were taken over from another member; tasks may start then (U33). */
  statesTaken(): Promise<void>;
  /** The same for a task that starts later. */
  freshStates(): Promise<void>;
  /** Takes up what an earlier run left unsettled; call it when tasks run. */
  recover(): void;
  statistics(): readonly Statistic[];
  /** Which encryption keys other members were seen to use. */
  keyReport(): KeyReport;
  /** Takes over keys, `accept-plain` and the protocol's intervals; everything else needs a restart. */
  reload(settings: ClusterSettings): void;
  /** Leaves gracefully: hands over, says so, closes. */
  close(): Promise<void>;
}

/** Throws `Error` with one line when an address cannot be bound or a file cannot be read. */
export async function openCluster(options: OpenClusterOptions): Promise<OpenCluster> {
  const { settings, run, identity, store, alerts } = options;
  let { encryptionKeys } = settings;
  const { clock, random } = run;
  const log = run.logWriter.log.with({ service: "cluster" });
  const closers = new Closers();
  try {
    const cluster = await Cluster.load({
      identity,
      options: settings,
      store: new ClusterFiles(options.dataDir),
      clock,
      random,
      log,
      onClusterId(id) {
        identity.setClusterId(id);
        options.onClusterId();
      },
      // Tasks go on; calls of the others must reach the process that keeps the identity.
      onDuplicate: () => void rpc.close(),
      async handOver(why) {
        if (why === "removed") await runners.leave();
        await ownership.handOver(why);
      },
      async caughtUp(member) {
        const equal = await Promise.all([
          replication.untilEqual(member, EQUAL_MAX_MS),
          taskTable.untilEqual(member, EQUAL_MAX_MS),
        ]);
        const lacks = ["handlers", "cluster tasks"].filter((_, i) => equal[i] === false);
        if (lacks.length === 0) return;
        const seconds = EQUAL_MAX_MS / 1000;
        throw new Error(
          `member ${member} was added but lacks ${lacks.join(" and ")} after ${seconds}s`,
        );
      },
    });
    const problem = rpcAddressProblem(settings, cluster.view());
    if (problem !== undefined) throw new Error(problem);
    for (const warning of exposureWarnings(settings)) log.warn(warning);
    const rpc = new RpcLinks(clock, random, log, {
      bind: settings.rpcBind,
      boot: cluster.boot,
      calls: CALLS,
      isRemoved: (member) => cluster.isRemoved(member),
      onRemoved: (by) => cluster.checkRemoval(by),
      encryptionKeys: settings.encryptionKeys,
      acceptPlain: settings.acceptPlain,
      ...(settings.rpcTls === undefined ? {} : { tls: readRpcTls(settings.rpcTls) }),
    });
    const stamps = new EventStamps({ clock, log, store, membership: cluster });
    const parts = { clock, random, log, store, rpc, membership: cluster, stamps };
    const fullSyncMs = settings.fullSyncIntervalMs;
    const ownership = new OwnershipService(
      {
        ...parts,
        log: log.with({ service: "alert" }),
        receiver: alerts,
        settledByOwners: (event) => void alerts.mergeState(event.topic, stateOf(event)),
      },
      {
        ...{ boot: cluster.boot, delayMs: settings.delayPerMemberMs, fullSyncMs },
        isInline: (topic) => topic.startsWith(ANONYMOUS_PREFIX),
        sharesInline: settings.deduplicateInline,
      },
    );
    closers.push(() => ownership.close());
    const replication = new HandlerReplication(
      {
        ...parts,
        table: alerts,
        owners: (topic) => ownership.owners(topic).home,
        deleteTopic: (topic, deletion) => alerts.delete(topic, deletion),
        recallDeletion: (topic, before) => alerts.recallDeletion(topic, before),
      },
      { fullSyncMs },
    );
    closers.push(() => replication.close());
    const isShared = (topic: string): boolean => !topic.startsWith(ANONYMOUS_PREFIX);
    const topicSync = new TopicSync({ ...parts, states: alerts, isShared });
    closers.push(() => topicSync.close());
    const topicReads = new ClusterTopics({
      ...parts,
      local: alerts,
      acting: (topic) => ownership.owners(topic).acting,
      ranked: (topic) => ownership.owners(topic),
      duties: (topic) => ({
        ...ownership.duties(topic),
        handlers: alerts.handlerReports(topic).length,
      }),
      isShared,
    });
    const taskTable = new TaskReplication(parts, { fullSyncMs });
    closers.push(() => taskTable.close());
    const runners = new TaskRunners(
      { ...parts, takeStates: (member) => topicSync.sync(member) },
      {
        goneMs: settings.delayPerMemberMs,
        returnMs: RETURN_DELAYS * settings.delayPerMemberMs,
      },
    );
    closers.push(() => runners.close());
    const silences = new SilenceReplication({ ...parts, table: options.silences });
    replication.onSynced((member) => {
      ownership.handlersKnown();
      void topicSync.sync(member);
      void silences.sync(member);
    });
    const doctor = new Doctor({
      ...{ clock, rpc, membership: cluster, paths: cluster, pingApi },
      own: {
        version: VERSION,
        get keys() {
          return encryptionKeys.map(keyFingerprint);
        },
        redundancy: settings.redundancy,
        apiTls: options.apiTls,
      },
    });
    doctor.open();
    alerts.setOwnership(ownership);
    ownership.open();
    replication.open();
    topicSync.open();
    taskTable.open();
    runners.open();
    silences.open();
    topicReads.open();
    closers.push(() => rpc.close());
    rpc.open(cluster);
    closers.push(() => cluster.close());
    await cluster.open(rpc);
    const keyReport = (): KeyReport => joinReports(cluster.keyReport(), rpc.keyReport());
    return {
      membership: cluster,
      doctor,
      ownership,
      handlers: replication,
      topics: replicatedTopics(alerts, replication),
      topicReads,
      tasks: { table: taskTable, runners },
      statesTaken: () => topicSync.settled(),
      freshStates: () => topicSync.refresh(),
      recover: () => ownership.recover(),
      statistics: () => [
        { name: "alert", tags: {}, values: ownership.counters() },
        ...gossipStatistics(cluster, stamps.counters()),
        ...memberStatistics(cluster.view(), ownership.syncAges()),
        { name: "rpc", tags: {}, values: rpc.counters() },
        { name: "handler_definitions", tags: {}, values: replication.counters() },
        {
          name: "topic_states",
          tags: {},
          values: { ...topicSync.counters(), discarded_as_deleted: alerts.discarded() },
        },
        { name: "silences", tags: {}, values: silences.counters() },
        {
          name: "cluster_tasks",
          tags: {},
          values: { ...taskTable.counters(), ...runners.counters() },
        },
        ...keyStatistics(keyReport()),
      ],
      keyReport,
      reload(changed) {
        ({ encryptionKeys } = changed);
        cluster.reload({ ...changed, redundancy: settings.redundancy });
        rpc.setKeys(changed.encryptionKeys, changed.acceptPlain);
      },
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close().catch(() => {});
    throw error;
  }
}

/** The original's counters under its names, and all of ours: everything sent, received, and dropped by reason. */
function gossipStatistics(
  membership: Membership,
  clock: Readonly<Record<string, number>>,
): readonly Statistic[] {
  const counters = membership.counters();
  const original = {
    dropped_member_events: counters["table-full"] ?? 0,
    dropped_user_events: counters["notes-dropped-queue-full"] ?? 0,
    query_handler_errors: 0,
  };
  return [
    { name: "cluster", tags: {}, values: { ...original, ...clock } },
    { name: "gossip", tags: {}, values: counters },
  ];
}

/** How many members have which status, and how long ago this one compared notes with each other one. */
function memberStatistics(
  { members, localId }: ClusterView,
  ages: ReadonlyMap<MemberId, number>,
): readonly Statistic[] {
  const counts = { alive: 0, suspect: 0, leaving: 0, left: 0, failed: 0 };
  for (const { status } of members) {
    const shown = shownStatus(status);
    if (shown !== "removed") counts[shown]++;
  }
  const told = members.filter(({ id }) => id !== localId && ages.has(id));
  return [
    { name: "cluster_members", tags: {}, values: counts },
    ...told.map(({ id }) => ({
      name: "cluster_member",
      tags: { member: id },
      values: { sync_age_ms: Math.round(ages.get(id) ?? 0) },
    })),
  ];
}

/** One line of counters per key, named by its fingerprint. */
function keyStatistics({ keys }: KeyReport): readonly Statistic[] {
  return keys.map(({ fingerprint, seals, seenLastMinute, opened }) => ({
    name: "encryption_key",
    tags: { key: fingerprint },
    values: { opened, seals: Number(seals), seen_last_minute: Number(seenLastMinute) },
  }));
}
