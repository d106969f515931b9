/**
 * Builds the parts of a running daemon and connects them; the only file that knows both sides of every port.
 *
 * The order of the start is the order of the lines: what is opened first is closed last, and whatever fails
 * half-way unwinds what was opened. The API listens last, so that whoever gets an answer gets a true one.
 */

import { AlertService } from "#alert/alert-service.ts";
import type { HandlerServices } from "#alert/handler.ts";
import { DELIVERY_LIMITS } from "#alert/limits.ts";
import { SilenceService } from "#alert/silence-service.ts";
import { SubscriptionTokenStore, subscriptionTokenKind } from "#auth/subscription-tokens.ts";
import { UserService, userKind } from "#auth/user-service.ts";
import type { Membership } from "#cluster/ports.ts";
import { clusterSettings, milliseconds } from "#config/cluster-settings.ts";
import type { DaemonConfig } from "#config/daemon-config.ts";
import { ConfigService } from "#config/overrides.ts";
import { splitAddress } from "#config/sections/shared.ts";
import { configOverrides } from "#config/stored-override.ts";
import { InProcessEngine } from "#engine/engine-host.ts";
import { NODE_SPECS } from "#engine/nodes/registry.ts";
import type { EdgeCount } from "#engine/stats.ts";
import type { TaskMasterOptions } from "#engine/task-master.ts";
import { makeTickEnvironment } from "#engine/tick-environment.ts";
import { HANDLER_KINDS } from "#handlers/registry.ts";
import { createApp } from "#http/app.ts";
import { listen } from "#http/server.ts";
import { serviceTestsOf } from "#http/service-tester.ts";
import type { HttpServices, Statistic } from "#http/services.ts";
import { statisticsOf } from "#http/statistics.ts";
import { serverTls } from "#http/tls.ts";
import { Subscriptions } from "#ingest/subscriptions.ts";
import type { Closers } from "#lib/closers.ts";
import { errorMessage } from "#lib/errors.ts";
import { SeriesTable } from "#model/series-table.ts";
import { KINDS } from "#storage/kinds/registry.ts";
import { SqliteStore } from "#storage/sqlite.ts";
import type { AnyKind, Store } from "#storage/store.ts";
import { StoredSilences } from "#storage/stored-silences.ts";
import { StoredSnapshots } from "#storage/task-snapshots.ts";
import { FORGETTING_TOPICS, StoredTopics } from "#storage/topic-states.ts";
import { ClusterTasks } from "#tasks/cluster-tasks.ts";
import { LoadDirectory, type LoadServices, loadKind } from "#tasks/load-directory.ts";
import type { TaskServices } from "#tasks/ports.ts";
import { RECORDING_KINDS } from "#tasks/recording-store.ts";
import { SharedTasks } from "#tasks/shared-tasks.ts";
import { TaskService } from "#tasks/task-service.ts";
import { taskKind, templateKind } from "#tasks/task-store.ts";
import { TemplateService } from "#tasks/template-service.ts";
import { tickLanguage } from "#tasks/tick-language.ts";
import { isBlocked } from "./cidrs.ts";
import { onDeparture } from "./departures.ts";
import { Identity } from "./identity.ts";
import { InternalStats } from "./internal-stats.ts";
import { formatJsonLine, formatLogfmt } from "./log-format.ts";
import { CLUSTER_KINDS, type OpenCluster, openCluster } from "./open-cluster.ts";
import { openReplays } from "./open-replays.ts";
import { Outside } from "./outside.ts";
import { pingInflux } from "./ping-influx.ts";
import { processProfiler } from "./profiler.ts";
import type { RunOptions } from "./run-options.ts";
import { commandLine, zoneOffsetMs } from "./system.ts";
import { openUdpInputs } from "./udp-inputs.ts";
import { API_LEVEL, COMMIT, VERSION } from "./version.ts";

/** What users define, beside the tables of lower rooms. */
const DEFINITION_KINDS: readonly AnyKind[] = [
  configOverrides,
  loadKind,
  ...RECORDING_KINDS,
  subscriptionTokenKind,
  taskKind,
  templateKind,
  userKind,
] as readonly AnyKind[];

/** What `daemon.ts` does with the built parts. */
export interface Wired {
  readonly subscriptions: Subscriptions;
  /** Present when `[load]` is enabled; not run yet. */
  readonly load: LoadDirectory | undefined;
  readonly sideloads: HttpServices["sideloads"];
  /** What of the cluster may change while the daemon runs. */
  readonly cluster: Pick<OpenCluster, "reload">;
}

export async function wire(
  file: DaemonConfig,
  options: RunOptions,
  closers: Closers,
): Promise<Wired> {
  const { clock, random, logWriter } = options;
  const log = logWriter.log;
  const identity = Identity.open(file.data_dir, random);
  const store = SqliteStore.open(
    file.storage.boltdb,
    [...KINDS, ...CLUSTER_KINDS, ...DEFINITION_KINDS],
    clock,
    log.with({ service: "storage" }),
  );
  closers.push(() => store.close());
  // What the API stored is laid over the file; everything below reads the result.
  const overrides = new ConfigService({ config: file, store, clock, log });
  const config = overrides.current();
  const tls = serverTls(config);
  const server = serverNames(config, identity);
  const section = (name: string): unknown => Reflect.get(overrides.current(), name);
  const alertServices = alertServicesOf(options, server, section);
  const alerts = openAlerts(config, options, { store, services: alertServices });
  closers.push(() => alerts.close());
  const silences = new SilenceService({
    silences: alerts.silences,
    store: new StoredSilences(store),
    clock,
    random,
    log: alertServices.log,
    self: () => identity.serverId,
  });
  silences.open();
  closers.push(() => silences.close());
  let relink = (): void => {};
  const cluster = await openCluster({
    settings: clusterSettings(config),
    dataDir: config.data_dir,
    run: options,
    identity,
    store,
    alerts,
    silences,
    apiTls: tls !== undefined,
    onClusterId: () => relink(),
  });
  closers.push(() => cluster.close());

  const environment = makeTickEnvironment({
    handlers: alerts.properties(),
    deadman: config.deadman,
  });
  const taskLog = log.with({ service: "kapacitor", task_master: "main" });
  const outside = new Outside({
    ...{ clock, random, log: log.with({ service: "influxdb" }) },
    config: () => overrides.current(),
    blocked: options.blockedAddresses,
  });
  const engineServices = { clock, random, log: taskLog, alerts, server, ...outside, zoneOffsetMs };
  const snapshots = new StoredSnapshots(store);
  const engineOptions = { environment, specs: NODE_SPECS, ...memoryOptions(config) };
  const engine = new InProcessEngine(
    {
      ...engineServices,
      snapshots,
      taskFailed: (task, error) => void tasks.recordFailure(task, error),
      ...(options.taskStarting === undefined ? {} : { taskStarting: options.taskStarting }),
      ...(options.written === undefined ? {} : { written: options.written }),
    },
    new SeriesTable({ seed: random.u32() }),
    {
      ...engineOptions,
      name: "main",
      snapshotIntervalMs: milliseconds(config.task["snapshot-interval"]),
    },
  );
  closers.push(() => engine.close());
  const shared = new SharedTasks({ ...cluster.tasks, log: taskLog });
  const taskServices: TaskServices = {
    store,
    engine,
    topics: cluster.topics,
    snapshots,
    freshStates: () => cluster.freshStates(),
    shared,
    language: tickLanguage(environment),
    clock,
    random,
    log: taskLog,
  };
  const tasks = new TaskService(taskServices);
  const templates = new TemplateService(taskServices, tasks);
  const clusterTasks = new ClusterTasks({ ...taskServices, shared, tasks, templates, engine });
  closers.push(() => clusterTasks.close());

  const tokens = new SubscriptionTokenStore(store);
  const subscriptions = openSubscriptions(config, options, {
    identity,
    engine,
    tokens,
    membership: cluster.membership,
  });
  overrides.onChange("influxdb", (sections) => subscriptions.update(sections));
  onDeparture(cluster.membership, (serverId) => void subscriptions.dropMember(serverId));
  closers.push(() => subscriptions.stop());
  relink = () => {
    subscriptions.relink().catch((error: unknown) => {
      log.with({ service: "influxdb" }).error("failed to link subscriptions", {
        err: errorMessage(error),
      });
    });
  };

  await cluster.statesTaken();
  await tasks.startEnabled();
  await clusterTasks.open();
  const { dir } = config.replay;
  const rawQueries = outside.queries;
  const { recordings, replays } = await openReplays(
    { dir, log, tasks, taskServices, engine, engineServices, engineOptions, rawQueries },
    closers,
  );
  cluster.recover();
  const udp = await openUdpInputs(
    config.udp,
    {
      write: (chunk) => engine.write(chunk),
      defaultRetentionPolicy: config["default-retention-policy"],
      log: log.with({ service: "udp" }),
    },
    closers,
  );
  const services: HttpServices = {
    engine,
    tasks,
    templates,
    clusterTasks,
    language: taskServices.language,
    topics: cluster.topics,
    topicReads: cluster.topicReads,
    handlers: cluster.handlers,
    delivery: alerts,
    silences,
    serviceTests: serviceTestsOf({
      kinds: HANDLER_KINDS,
      disabled: options.disabledHandlers,
      services: { ...alertServices, publish: () => {} },
      pingInflux: (name, signal) => pingInflux(overrides.current(), clock, { name, signal }),
    }),
    recordings,
    replays,
    membership: cluster.membership,
    doctor: cluster.doctor,
    keyReport: () => cluster.keyReport(),
    store,
    config: overrides,
    users: config.auth.enabled
      ? new UserService({ store, clock, random }, config.auth["bcrypt-cost"])
      : undefined,
    subscriptions: {
      count: () => subscriptions.count,
      relink: () => subscriptions.relink(),
      permissionOf: (token) => tokens.permission(token),
    },
    sideloads: outside.sideloads,
    logs: {
      setLevel: (level) => logWriter.setLevel(level),
      subscribe: (listener) => logWriter.subscribe(listener),
      print: (entry, form) => (form === "json" ? formatJsonLine(entry) : formatLogfmt(entry)),
    },
    log,
    clock,
    random,
    version: { api: API_LEVEL, build: `${VERSION} (${COMMIT})` },
    identity: {
      clusterId: () => identity.clusterId,
      serverId: identity.serverId,
      hostname: config.hostname,
    },
    process: {
      commandLine: commandLine(),
      memory: () => process.memoryUsage(),
      profiler: processProfiler(clock),
    },
    settings: {
      defaultRetentionPolicy: config["default-retention-policy"],
      logEnabled: config.http["log-enabled"],
      authEnabled: config.http["auth-enabled"],
      pprofEnabled: config.http["pprof-enabled"],
      sharedSecret: config.http["shared-secret"],
      writeTracing: config.http["write-tracing"],
    },
    statistics: () => [
      ...cluster.statistics(),
      ...alerts.statistics(),
      ...udp.statistics(),
      ...engine.edges().map(edgeStatistic),
    ],
  };
  if (config.stats.enabled) openStats(config, { services, engine, server }, closers);
  const { host, port } = splitAddress(config.http["bind-address"]);
  const listening = listen(createApp(services), {
    host,
    port,
    ...(tls === undefined ? {} : { tls }),
  });
  closers.push(() =>
    listening.close(
      milliseconds(config.http["shutdown-timeout"]),
      (ms) => new Promise((done) => void clock.after(ms, done)),
    ),
  );
  log.with({ service: "http" }).info("listening on", {
    addr: `${host}:${listening.port}`,
    protocol: tls === undefined ? "http" : "https",
  });
  return {
    subscriptions,
    sideloads: outside.sideloads,
    cluster,
    load: openLoad(
      config,
      { ...taskServices, tasks, templates, handlers: cluster.handlers },
      closers,
    ),
  };
}

function edgeStatistic({ task, parent, child, type, messages }: EdgeCount): Statistic {
  const values = { collected: messages, emitted: messages };
  return { name: "edges", tags: { task, parent, child, type }, values };
}

function openStats(
  { stats }: DaemonConfig,
  parts: {
    readonly services: HttpServices;
    readonly engine: InProcessEngine;
    readonly server: ServerNames;
  },
  closers: Closers,
): void {
  const { services, engine, server } = parts;
  const { clock, tasks, subscriptions } = services;
  const made = new InternalStats(
    {
      clock,
      log: services.log.with({ service: "stats" }),
      engine,
      server,
      overview: () => {
        const { tasks: all, enabled } = tasks.counts();
        return {
          num_tasks: all,
          num_enabled_tasks: enabled,
          num_subscriptions: subscriptions.count(),
        };
      },
      memory: () => services.process.memory(),
      statistics: () => [
        ...statisticsOf(services),
        { name: "stats", tags: {}, values: { ...made.counters } },
      ],
    },
    {
      intervalMs: milliseconds(stats["stats-interval"]),
      db: stats.database,
      rp: stats["retention-policy"],
    },
  );
  made.open();
  closers.push(() => made.close());
}

/** What one task may remember, and for how long. */
function memoryOptions({ task }: DaemonConfig): Pick<TaskMasterOptions, "limits" | "groupIdleMs"> {
  return {
    limits: { groupsMax: task["groups-max"], bufferedPointsMax: task["buffered-points-max"] },
    groupIdleMs: milliseconds(task["group-idle"]),
  };
}

function openLoad(
  config: DaemonConfig,
  services: LoadServices,
  closers: Closers,
): LoadDirectory | undefined {
  if (!config.load.enabled) return undefined;
  const log = services.log.with({ service: "load" });
  const load = new LoadDirectory({ ...services, log }, config.load.dir);
  closers.push(() => load.close());
  return load;
}

interface ServerNames {
  readonly hostname: string;
  readonly clusterId: string;
  readonly serverId: string;
  readonly apiUrl: string;
}

/** Read at use time: the cluster ID changes when this member joins or leaves. */
function serverNames(config: DaemonConfig, identity: Identity): ServerNames {
  const { port } = splitAddress(config.http["bind-address"]);
  const scheme = config.http["https-enabled"] ? "https" : "http";
  return {
    hostname: config.hostname,
    get clusterId() {
      return identity.clusterId;
    },
    serverId: identity.serverId,
    apiUrl: `${scheme}://${config.hostname}:${port}`,
  };
}

/** What handlers may use, before `publish` is known. */
type AlertServices = Omit<HandlerServices, "publish">;

function alertServicesOf(
  { clock, logWriter, blockedAddresses }: RunOptions,
  server: ServerNames,
  section: (name: string) => unknown,
): AlertServices {
  const log = logWriter.log.with({ service: "alert" });
  if (blockedAddresses === undefined) return { clock, log, server, section };
  const blocked = (address: string): boolean => isBlocked(blockedAddresses, address);
  return { clock, log, server, section, isBlocked: blocked };
}

function openAlerts(
  config: DaemonConfig,
  { clock, random, disabledHandlers }: RunOptions,
  { store, services }: { readonly store: Store; readonly services: AlertServices },
): AlertService {
  return new AlertService({
    kinds: HANDLER_KINDS,
    disabled: disabledHandlers,
    services,
    store: config.alert["persist-topics"] ? new StoredTopics(store) : FORGETTING_TOPICS,
    clock,
    random,
    log: services.log,
    limits: { ...DELIVERY_LIMITS, waitingMax: config.alert["topic-buffer-length"] },
  });
}

function openSubscriptions(
  config: DaemonConfig,
  { clock, random, logWriter }: RunOptions,
  parts: {
    readonly identity: Identity;
    readonly engine: InProcessEngine;
    readonly tokens: SubscriptionTokenStore;
    readonly membership: Membership;
  },
): Subscriptions {
  const { identity, engine, tokens, membership } = parts;
  return new Subscriptions({
    sections: config.influxdb,
    identity: { serverId: identity.serverId, clusterId: () => identity.clusterId },
    hostname: config.hostname,
    httpPort: splitAddress(config.http["bind-address"]).port,
    ...(config.http["auth-enabled"] ? { tokens } : {}),
    sharedSecret: config.http["shared-secret"],
    clock,
    random,
    log: logWriter.log.with({ service: "influxdb" }),
    isMember: (serverId) => membership.view().members.some(({ id }) => id === serverId),
    write: (chunk) => engine.write(chunk),
  });
}
