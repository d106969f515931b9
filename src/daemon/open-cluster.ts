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
import { OWNERSHIP_KINDS } from "#cluster/ownership/kinds.ts";
import { OwnershipService } from "#cluster/ownership/ownership-service.ts";
import type { Membership } from "#cluster/ports.ts";
import { ClusterTopics } from "#cluster/replicate/cluster-topics.ts";
import { HandlerReplication } from "#cluster/replicate/handler-replication.ts";
import { REPLICATION_KINDS } from "#cluster/replicate/kinds.ts";
import { EQUAL_MAX_MS } from "#cluster/replicate/limits.ts";
import { replicatedTopics } from "#cluster/replicate/replicated-topics.ts";
import { TopicSync } from "#cluster/replicate/topic-sync.ts";
import { RpcLinks } from "#cluster/rpc/rpc-links.ts";
import type { ClusterSettings } from "#config/cluster-settings.ts";
import type { Statistic } from "#http/services.ts";
import { Closers } from "#lib/closers.ts";
import type { AnyKind, Store } from "#storage/store.ts";
import { ClusterFiles } from "./cluster-files.ts";
import type { Identity } from "./identity.ts";
import type { RunOptions } from "./run-options.ts";

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
  /** The cluster ID on disk has changed; subscriptions hang on it. */
  readonly onClusterId: () => void;
}

export interface OpenCluster {
  readonly membership: Membership;
  readonly ownership: Ownership;
  readonly handlers: HandlerDefinitions;
  readonly topics: Topics;
  /** Topics for the API: asks owners where this member is none. */
  readonly topicReads: TopicReads;
  /** Resolves, within a second, when topic states were taken over from another member; tasks may start then (U33). */
  statesTaken(): Promise<void>;
  /** Takes up what an earlier run left unsettled; call it when tasks run. */
  recover(): void;
  statistics(): readonly Statistic[];
  /** Leaves gracefully: hands over, says so, closes. */
  close(): Promise<void>;
}

/** Throws `Error` with one line when an address cannot be bound or a file cannot be read. */
export async function openCluster(options: OpenClusterOptions): Promise<OpenCluster> {
  const { settings, run, identity, store, alerts } = options;
  if (settings.encryptionKeys.length > 0) {
    throw new Error(
      "cluster: encryption-keys: sealing is not available yet for calls between members; " +
        "leave it empty and protect the gossip and RPC ports by the network",
    );
  }
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
      handOver: (why) => ownership.handOver(why),
      async caughtUp(member) {
        if (await replication.untilEqual(member, EQUAL_MAX_MS)) return;
        const seconds = EQUAL_MAX_MS / 1000;
        throw new Error(`member ${member} was added but lacks handlers after ${seconds}s`);
      },
    });
    const rpc = new RpcLinks(clock, random, log, {
      bind: settings.rpcBind,
      boot: cluster.boot,
      calls: CALLS,
      isRemoved: (member) => cluster.isRemoved(member),
      onRemoved: (by) => cluster.checkRemoval(by),
    });
    const parts = { clock, random, log, store, rpc, membership: cluster };
    const fullSyncMs = settings.fullSyncIntervalMs;
    const ownership = new OwnershipService(
      {
        ...parts,
        log: log.with({ service: "alert" }),
        receiver: alerts,
        settledByOwners: (event) => void alerts.mergeState(event.topic, stateOf(event)),
      },
      { boot: cluster.boot, delayMs: settings.delayPerMemberMs, fullSyncMs },
    );
    closers.push(() => ownership.close());
    const replication = new HandlerReplication(
      {
        ...parts,
        table: alerts,
        owners: (topic) => ownership.owners(topic).home,
        deleteTopic: (topic) => alerts.delete(topic),
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
      isShared,
    });
    replication.onSynced((member) => void topicSync.sync(member));
    alerts.setOwnership(ownership);
    ownership.open();
    replication.open();
    topicSync.open();
    topicReads.open();
    closers.push(() => rpc.close());
    rpc.open(cluster);
    closers.push(() => cluster.close());
    await cluster.open(rpc);
    return {
      membership: cluster,
      ownership,
      handlers: replication,
      topics: replicatedTopics(alerts, replication),
      topicReads,
      statesTaken: () => topicSync.settled(),
      recover: () => ownership.recover(),
      statistics: () => [
        { name: "alert", tags: {}, values: ownership.counters() },
        { name: "rpc", tags: {}, values: rpc.counters() },
        { name: "handler_definitions", tags: {}, values: replication.counters() },
        { name: "topic_states", tags: {}, values: topicSync.counters() },
      ],
      close: () => closers.close(),
    };
  } catch (error) {
    await closers.close().catch(() => {});
    throw error;
  }
}
