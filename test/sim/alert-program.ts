/**
 * What a member runs beside its membership, from the daemon's real parts: calls, joining, ownership, handlers, topics.
 *
 * Wired as `daemon/open-cluster.ts` does it, over a virtual clock, disk and network; handlers end at the simulation's
 * endpoints. What other members tell and answer is shown to the checker on its way in, so that it knows what this
 * member knew without asking the parts it checks.
 */

import { AlertService } from "#alert/alert-service.ts";
import { type AlertEvent, type EventState, stateOf } from "#alert/event.ts";
import { defineHandler, type HandlerSpec } from "#alert/handler.ts";
import { DELIVERY_LIMITS } from "#alert/limits.ts";
import { optionsSchema, textOption } from "#alert/options.ts";
import { CALLS } from "#cluster/calls/registry.ts";
import { memberView } from "#cluster/cluster.ts";
import { EventStamps } from "#cluster/event-stamps.ts";
import { Join } from "#cluster/join.ts";
import { HANDOVER_MS } from "#cluster/limits.ts";
import { alertCompletions } from "#cluster/ownership/kinds.ts";
import type { Batch, PullAnswer } from "#cluster/ownership/notices.ts";
import { OwnershipService } from "#cluster/ownership/ownership-service.ts";
import type { PlantedAlertBug } from "#cluster/ownership/planted.ts";
import type { ClusterView, MemberId, MemberView, Rpc } from "#cluster/ports.ts";
import { HandlerReplication } from "#cluster/replicate/handler-replication.ts";
import { TopicSync } from "#cluster/replicate/topic-sync.ts";
import { RpcError } from "#cluster/rpc/rpc-error.ts";
import { RpcLinks } from "#cluster/rpc/rpc-links.ts";
import type { Action, Input } from "#cluster/swim/io.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { StoredTopics } from "#storage/topic-states.ts";
import type { Endpoints } from "./endpoints.ts";
import { MemberClock } from "./member-clock.ts";
import { MemberStore, type Platter } from "./member-store.ts";
import { RPC_PORT, RpcWires } from "./rpc-wires.ts";
import type { Program, SimMember, World } from "./sim-member.ts";

/** What the checker sees of a member's alerts. */
export interface AlertWitness {
  /** A batch of another member arrived, or an answer to a question about completions. */
  heard(member: SimMember, batch: Pick<Batch, "notices"> | Pick<PullAnswer, "entries">): void;
  /** A member answered a question about completions. */
  pulled(member: SimMember): void;
  /** First copy of an event on this member as owner. */
  accepted(member: SimMember, event: AlertEvent): void;
  /** The core decided that this member tells a handler now. */
  started(member: SimMember, event: AlertEvent, handler: string): void;
  /** A handler was told by this member. */
  finishedSend(member: SimMember, event: AlertEvent, handler: string): void;
  link(member: SimMember, other: MemberId, state: "up" | "lost" | "refused"): void;
  /** This member refused a call for now. */
  busy(member: SimMember, from: MemberId): void;
}

export interface AlertOptions {
  /** `[alert] delay-per-member`, ms. */
  readonly delayMs: number;
  /** `[alert] full-sync-interval`, ms. */
  readonly fullSyncMs: number;
  readonly planted: ReadonlySet<PlantedAlertBug>;
}

/** A busy member refuses one call of so many. */
const BUSY_ONE_IN = 10;
/** What it refuses: calls whose caller has to come again. */
const BUSY_CALLS: ReadonlySet<string> = new Set(["deliver-alerts", "pull-completions"]);

interface Waiter {
  readonly holds: () => boolean;
  readonly resolve: (held: boolean) => void;
}

export class AlertProgram implements Program {
  readonly alerts: AlertService;
  readonly stamps: EventStamps;
  readonly ownership: OwnershipService;
  readonly replication: HandlerReplication;
  readonly topicSync: TopicSync;
  readonly rpc: RpcLinks;
  readonly join: Join;
  readonly clock: MemberClock;
  readonly store: MemberStore;
  /** Tasks run: states were taken over and what was left unsettled is taken up. */
  ready = false;
  readonly #member: SimMember;
  readonly #wires: RpcWires;
  readonly #listeners: ((view: ClusterView) => void)[] = [];
  readonly #waiters = new Set<Waiter>();
  #view: ClusterView | undefined;
  #gone = false;

  constructor(
    world: World,
    member: SimMember,
    boot: number,
    parts: {
      readonly platter: Platter;
      readonly options: AlertOptions;
      readonly endpoints: Endpoints;
      readonly witness: AlertWitness;
    },
  ) {
    const { options, endpoints, witness } = parts;
    this.#member = member;
    const clock = new MemberClock(world.clock, member, boot);
    this.clock = clock;
    const random = new SeededRandom(world.seed * 31 + member.index * 7907 + boot);
    const log = silentLog;
    const store = new MemberStore(world, member, boot, parts.platter);
    this.store = store;
    this.#wires = new RpcWires(world, member, boot);
    const processBoot = member.swim?.boot ?? 0n;
    this.rpc = new RpcLinks(clock, random, log, {
      bind: { host: "", port: RPC_PORT },
      boot: processBoot,
      calls: CALLS,
      isRemoved: (id) => member.swim?.entry(id)?.rank === 4,
      onRemoved: (by) => member.input({ kind: "sync", with: by }),
      sockets: this.#wires,
    });
    const dice = new SeededRandom(world.seed * 17 + member.index * 6151 + boot);
    const isBusy = (call: string): boolean =>
      world.mischief !== undefined && BUSY_CALLS.has(call) && dice.below(BUSY_ONE_IN) === 0;
    const rpc = watched(this.rpc, member, { witness, isBusy });
    const kind = defineHandler<{ readonly name?: string }>({
      kind: "endpoint",
      doc: "An endpoint of the simulation.",
      options: optionsSchema({ name: textOption("The endpoint.") }),
      external: true,
      open: ({ name = "" }) => ({
        async send({ event }, signal) {
          const outcome = await endpoints.request(member, boot, { name, event, signal });
          // An answer to a send that was given up reaches nobody.
          const isHeard = outcome.kind === "sent" && !signal.aborted;
          if (isHeard) witness.finishedSend(member, event, name);
          return outcome;
        },
      }),
    });
    const attemptTimeoutMs = Math.min(DELIVERY_LIMITS.attemptTimeoutMs, 3 * options.delayMs);
    this.alerts = new AlertService({
      kinds: [kind],
      services: {
        clock,
        log,
        server: { hostname: `m${member.index}`, clusterId: "", serverId: member.id },
        section: () => undefined,
      },
      store: new StoredTopics(store),
      clock,
      random,
      log,
      limits: { ...DELIVERY_LIMITS, attemptTimeoutMs, backoffMaxMs: 5_000 },
    });
    const { fullSyncMs, delayMs } = options;
    this.stamps = new EventStamps({ clock, log, store, membership: this });
    const { stamps } = this;
    const shared = { clock, random, log, store, rpc, membership: this, stamps };
    const { alerts } = this;
    this.ownership = new OwnershipService(
      {
        ...shared,
        receiver: {
          accept: (event) => {
            witness.accepted(member, event);
            return alerts.accept(event);
          },
          acceptCopy: (event) => alerts.acceptCopy(event),
          record: (event) => alerts.record(event),
          send: (ticket, event, handler, brief) => {
            witness.started(member, event, handler);
            alerts.send(ticket, event, handler, brief);
          },
          cancel: (ticket) => alerts.cancel(ticket),
          isQueued: (ticket) => alerts.isQueued(ticket),
          withdraw: (ticket) => alerts.withdraw(ticket),
        },
        settledByOwners: (event) => void alerts.mergeState(event.topic, stateOf(event)),
      },
      { boot: processBoot, delayMs, fullSyncMs, planted: options.planted },
    );
    this.replication = new HandlerReplication(
      {
        ...shared,
        table: alerts,
        owners: (topic) => this.ownership.owners(topic).home,
        deleteTopic: (topic, deletion) => alerts.delete(topic, deletion),
        recallDeletion: (topic, before) => alerts.recallDeletion(topic, before),
      },
      { fullSyncMs },
    );
    this.topicSync = new TopicSync({ ...shared, states: alerts, isShared: () => true });
    this.replication.onSynced((other) => {
      this.ownership.handlersKnown();
      void this.topicSync.sync(other);
    });
    alerts.setOwnership(this.ownership);
    this.ownership.open();
    this.replication.open();
    this.topicSync.open();
    this.rpc.onLink((other, state) => witness.link(member, other, state));
    this.rpc.open(this);
    this.join = this.#makeJoin();
    void this.topicSync.settled().then(() => {
      this.ownership.recover();
      this.ready = true;
    });
  }

  view(): ClusterView {
    this.#view ??= this.#makeView();
    return this.#view;
  }

  onChange(listener: (view: ClusterView) => void): void {
    this.#listeners.push(listener);
  }

  stepped(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.kind === "gone") this.#gone = true;
      if (action.kind !== "view") continue;
      this.#view = undefined;
      const view = this.view();
      for (const listener of this.#listeners) listener(view);
    }
    for (const waiter of this.#waiters) {
      if (!waiter.holds()) continue;
      this.#waiters.delete(waiter);
      waiter.resolve(true);
    }
  }

  killed(): void {
    this.#wires.kill();
  }

  unsynced(): ReturnType<Program["unsynced"]> {
    return this.store.unsynced;
  }

  publish(event: AlertEvent): void {
    this.alerts.publish(event, "cluster");
  }

  /** SIGTERM: leaves as the daemon does; the process ends after it. */
  async stop(): Promise<void> {
    const member = this.#member;
    member.input({ kind: "leave" });
    await this.#within(HANDOVER_MS, this.ownership.handOver("leaving"));
    member.input({ kind: "depart" });
    await this.#until(() => this.#gone, 1_500);
  }

  createHandler(spec: HandlerSpec, force = true): Promise<unknown> {
    return this.replication.create(spec, force);
  }

  /** Newest completion per (topic, event ID, handler), as this member has it on disk. */
  completions(): Map<string, string> {
    const all = new Map<string, string>();
    for (const [, { topic, id, handlers }] of this.store.table(alertCompletions).entries()) {
      for (const [handler, { stamp }] of Object.entries(handlers)) {
        all.set(`${topic}/${id}/${handler}`, `${stamp.ms}.${stamp.ns}.${stamp.level}`);
      }
    }
    return all;
  }

  /** Level and time per event ID of every topic. */
  states(): Map<string, string> {
    const all = new Map<string, string>();
    for (const { id: topic } of this.alerts.list("", 0)) {
      for (const state of this.alerts.events(topic, 0) ?? [])
        all.set(`${topic}/${state.id}`, text(state));
    }
    return all;
  }

  #makeJoin(): Join {
    const member = this.#member;
    const { swim } = member;
    if (swim === undefined) throw new Error("no process");
    return new Join({
      swim,
      clock: this.clock,
      log: silentLog,
      rpc: this.rpc,
      input: (input) => member.input(input),
      durable: (input) => this.#durable(input),
      until: (holds, waitMs) => this.#until(holds, waitMs),
      clusterIdChanged: () => Promise.resolve(),
      caughtUp: async (other) => {
        if (!(await this.replication.untilEqual(other, 30_000))) throw new Error("lacks handlers");
      },
      handOver: (why) => this.#within(HANDOVER_MS, this.ownership.handOver(why)),
    });
  }

  #durable(input: Input): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#member.whenDurable(resolve);
    this.#member.input(input);
    return promise;
  }

  #until(holds: () => boolean, waitMs: number): Promise<boolean> {
    if (holds()) return Promise.resolve(true);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { holds, resolve };
    this.#waiters.add(waiter);
    this.clock.after(waitMs, () => {
      if (this.#waiters.delete(waiter)) resolve(holds());
    });
    return promise;
  }

  async #within(ms: number, work: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = this.clock.after(ms, resolve);
    work.then(resolve, resolve);
    await promise;
    cancel();
  }

  #makeView(): ClusterView {
    const { swim } = this.#member;
    if (swim === undefined) throw new Error("no process");
    const members: MemberView[] = [];
    for (const entry of swim.entries()) {
      const view = memberView(entry);
      if (view !== undefined) members.push(view);
    }
    members.sort((a, b) => a.joined - b.joined || (a.id < b.id ? -1 : 1));
    const { clusterId, id, initialized } = swim;
    return { clusterId, localId: id, initialized, members };
  }
}

function text({ time, level }: EventState): string {
  return `${time.ms}.${time.ns}.${level}`;
}

/**
 * The same calls; what comes in about completions is shown to the witness before the parts get it. In runs with mischief a
 * call may be refused for now: the one way in which a batch is not delivered while its connection lasts.
 */
function watched(
  rpc: RpcLinks,
  member: SimMember,
  how: { readonly witness: AlertWitness; readonly isBusy: (call: string) => boolean },
): Rpc {
  const { witness, isBusy } = how;
  return {
    async call(to, type, payload, timeoutMs) {
      const answer = await rpc.call(to, type, payload, timeoutMs);
      if (type === "pull-completions") {
        const page = answer as PullAnswer;
        witness.heard(member, page);
        if (page.next === 0) witness.pulled(member);
      }
      return answer;
    },
    callAddress: (address, type, payload, timeoutMs) =>
      rpc.callAddress(address, type, payload, timeoutMs),
    notify: (to, type, payload) => rpc.notify(to, type, payload),
    handle: (type, answer) =>
      rpc.handle(type, (from, payload) => {
        if (isBusy(type)) {
          witness.busy(member, from);
          throw new RpcError("busy", `${type}: too many calls in flight`);
        }
        if (type === "deliver-alerts") witness.heard(member, payload as Batch);
        return answer(from, payload);
      }),
    onLink: (listener) => rpc.onLink(listener),
  };
}
