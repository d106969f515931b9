/**
 * What the API needs of the daemon. `daemon/wire.ts` fills it in; tests fill in fakes.
 *
 * Everything is asked at request time, so values that change while the daemon runs (cluster ID,
 * membership, log level) are functions.
 */

import type {
  DeliveryReports,
  HandlerDefinitions,
  SilenceDefinitions,
  TopicReads,
  Topics,
} from "#alert/ports.ts";
import type { Permission } from "#auth/permissions.ts";
import type { UserService } from "#auth/user-service.ts";
import type { ClusterDoctor } from "#cluster/doctor/report.ts";
import type { Membership } from "#cluster/ports.ts";
import type { KeyReport } from "#cluster/swim/key-ring.ts";
import type { ConfigService } from "#config/overrides.ts";
import type { EngineHost } from "#engine/ports.ts";
import type { Cancel, Clock } from "#lib/clock.ts";
import type { Log, LogEntry, LogLevel } from "#lib/log.ts";
import type { Random } from "#lib/random.ts";
import type { Time } from "#lib/time.ts";
import type { Store } from "#storage/store.ts";
import type { ClusterTasks } from "#tasks/cluster-tasks.ts";
import type { Language } from "#tasks/ports.ts";
import type { RecordingService } from "#tasks/recording-service.ts";
import type { ReplayService } from "#tasks/replay-service.ts";
import type { TaskService } from "#tasks/task-service.ts";
import type { TemplateService } from "#tasks/template-service.ts";
import type { CpuProfile } from "./profile/cpu-profile.ts";

export interface VersionInfo {
  /** API level we implement, in `X-Kapacitor-Version` and answers (`1.8.3`). */
  readonly api: string;
  /** Our own version and commit, in `X-Kapacitor-Build`. */
  readonly build: string;
}

export interface Identity {
  clusterId(): string;
  readonly serverId: string;
  readonly hostname: string;
}

/** The settings of `[http]` and the top level that the API obeys. */
export interface HttpSettings {
  /** Used for a write without `rp`; may be empty. */
  readonly defaultRetentionPolicy: string;
  /** Writes the access log. */
  readonly logEnabled: boolean;
  readonly authEnabled: boolean;
  /** Makes `debug/*` reachable without credentials. */
  readonly pprofEnabled: boolean;
  /** HMAC key of bearer tokens; empty means none is accepted. */
  readonly sharedSecret: string;
  /** Logs the bodies of writes. */
  readonly writeTracing: boolean;
}

/** Bytes; keys of the process's memory that `debug/vars` shows. */
export interface ProcessMemory {
  readonly rss: number;
  readonly heapTotal: number;
  readonly heapUsed: number;
}

/** Time between two samples of a CPU profile, microseconds. */
export const CPU_INTERVAL_US = 1000;

/** What the process can tell about itself. */
export interface Profiler {
  /**
   * Samples until the time has passed or the signal comes, every `CPU_INTERVAL_US`; `undefined` when another
   * profile is being taken.
   */
  cpu(durationMs: number, signal: AbortSignal): Promise<CpuProfile | undefined>;
  /** Bytes in use, and how many objects of each type there are. `collectFirst` counts after a collection. */
  heap(collectFirst: boolean): {
    readonly bytes: number;
    readonly objects: Readonly<Record<string, number>>;
  };
  /** JSON for browsers' developer tools. The process stands still while it is made. */
  heapSnapshot(): string;
}

export interface ProcessInfo {
  readonly commandLine: readonly string[];
  memory(): ProcessMemory;
  /** Where absent, profiles answer 501. */
  readonly profiler?: Profiler | undefined;
}

/** A log entry with its time. */
export interface TimedEntry extends LogEntry {
  readonly time: Time;
}

/** Where `level` and log sessions reach the daemon's log. Sessions see every level. */
export interface LogControl {
  setLevel(level: LogLevel): void;
  /** Calls the listener for every entry until cancelled. */
  subscribe(listener: (entry: TimedEntry) => void): Cancel;
  /** An entry as a line, without its line feed: `key=value` pairs, or a JSON object of strings. */
  print(entry: TimedEntry, form: "logfmt" | "json"): string;
}

/** The InfluxDB subscriptions of this daemon. */
export interface Subscriptions {
  count(): number;
  /**
   * What a secret opens that InfluxDB sends with the writes of one of our subscriptions; `undefined` when it is
   * none of them. Absent where none is ever made; with users, such writes are then refused.
   */
  permissionOf?(token: string): Permission | undefined;
  /** Checks and repairs them now; rejects with the reason when that fails. */
  relink(): Promise<void>;
}

/** The self-test of one service. */
export interface ServiceTest {
  readonly name: string;
  /** Options with their defaults. */
  readonly options: Readonly<Record<string, unknown>>;
  /** Why it failed (`service is not enabled`), or `undefined` for a success. Bounded in time; never rejects. */
  run(options: Readonly<Record<string, unknown>>): Promise<string | undefined>;
}

/** One entry of `debug/vars`. */
export interface Statistic {
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly values: Readonly<Record<string, unknown>>;
}

export interface HttpServices {
  readonly engine: EngineHost;
  readonly tasks: TaskService;
  readonly templates: TemplateService;
  /** Absent where tasks cannot belong to a cluster. */
  readonly clusterTasks?: Pick<ClusterTasks, "members" | "showOf" | "endpointOf"> | undefined;
  readonly language: Language;
  readonly topics: Topics;
  /** Where absent, topics are read from `topics`. */
  readonly topicReads?: TopicReads | undefined;
  readonly handlers: HandlerDefinitions;
  /** What became of events, and the handlers' queues; where absent, these routes answer 501. */
  readonly delivery?: DeliveryReports | undefined;
  /** Where absent, these routes answer 501. */
  readonly silences?: SilenceDefinitions | undefined;
  /** Where absent, these routes answer 501. */
  readonly recordings?: RecordingService | undefined;
  readonly replays?: ReplayService | undefined;
  readonly membership: Membership;
  /** Check-ups of the cluster; where absent, their route answers 501. */
  readonly doctor?: ClusterDoctor | undefined;
  /** Which encryption keys are configured and seen in use; absent where nothing is sealed at all. */
  readonly keyReport?: () => KeyReport;
  readonly store: Store;
  /** Absent where nothing can be changed; `/config` then answers 501. */
  readonly config?: ConfigService | undefined;
  /** Present when `[auth]` is enabled; without it every name and password is an administrator's. */
  readonly users?: UserService | undefined;
  readonly subscriptions: Subscriptions;
  /** `reload` throws the first source's error, after it tried all. */
  readonly sideloads: { reload(): void };
  /** Absent where no service has a self-test; the routes then answer 501. */
  readonly serviceTests?: readonly ServiceTest[] | undefined;
  readonly logs: LogControl;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: Random;
  readonly version: VersionInfo;
  readonly identity: Identity;
  readonly process: ProcessInfo;
  readonly settings: HttpSettings;
  /** Further counters for `debug/vars`: cluster, delivery, load directory. */
  statistics(): readonly Statistic[];
}
