import { afterEach, describe, expect, test } from "bun:test";
import type { AlertEvent } from "#alert/event.ts";
import type { Level } from "#alert/level.ts";
import type { Outcome } from "#alert/outcome.ts";
import type { EventReceiver } from "#alert/ports.ts";
import { CALLS } from "#cluster/calls/registry.ts";
import { BEAT_MS } from "#cluster/limits.ts";
import { alertCompletions, pendingAlerts } from "#cluster/ownership/kinds.ts";
import { HEARD_MAX } from "#cluster/ownership/limits.ts";
import { OwnershipService } from "#cluster/ownership/ownership-service.ts";
import type { Rpc } from "#cluster/ports.ts";
import { systemClock } from "#daemon/system.ts";
import { type Clock, VirtualClock } from "#lib/clock.ts";
import { silentLog } from "#lib/log.ts";
import { SeededRandom } from "#lib/random.ts";
import { MemoryStore } from "#storage/memory.ts";
import { StorageError, type Write } from "#storage/store.ts";
import { closeAll, Member, until } from "#test/cluster/rpc/cluster-on-loopback.ts";
import { FakeNetwork, promises } from "#test/cluster/rpc/fake-network.ts";
import { sampleAlert } from "./sample-alert.ts";

const alert = (id: string, ms = 1, level: Level = 3, topic = "t"): AlertEvent => ({
  ...sampleAlert,
  topic,
  id,
  time: { ms, ns: 0 },
  level,
});

/** An alert core that remembers what it was told, and a service around it. */
class Site implements EventReceiver {
  readonly service: OwnershipService;
  readonly accepted: string[] = [];
  readonly sends: {
    readonly ticket: number;
    readonly id: string;
    readonly ms: number;
    readonly handler: string;
  }[] = [];
  readonly cancelled: number[] = [];
  handlers: readonly string[] = ["h"];
  /** What a send ends with at once; undefined: the test ends it. */
  outcome: Outcome | undefined = { kind: "sent" };
  onAccept: (event: AlertEvent) => void = () => {};
  onSend: (event: AlertEvent) => void = () => {};

  constructor(
    clock: Clock,
    rpc: Rpc,
    membership: ConstructorParameters<typeof OwnershipService>[0]["membership"],
    readonlyStore: MemoryStore,
    boot = 1n,
  ) {
    this.service = new OwnershipService(
      {
        clock,
        random: new SeededRandom(1),
        log: silentLog,
        store: readonlyStore,
        rpc,
        membership,
        receiver: this,
      },
      { boot, delayMs: 10_000, fullSyncMs: 300_000 },
    );
    this.service.open();
  }

  accept(event: AlertEvent): readonly string[] {
    this.accepted.push(event.id);
    this.onAccept(event);
    return this.handlers;
  }

  send(ticket: number, event: AlertEvent, handler: string): void {
    this.sends.push({ ticket, id: event.id, ms: event.time.ms, handler });
    this.onSend(event);
    const { outcome } = this;
    if (outcome !== undefined) queueMicrotask(() => this.service.sendFinished(ticket, outcome));
  }

  cancel(ticket: number): void {
    this.cancelled.push(ticket);
  }

  count(name: string): number {
    return this.service.counters()[name] ?? 0;
  }
}

/** Notes which completions were not to wait for the flushes of others. */
class UrgencyStore extends MemoryStore {
  readonly urgent: boolean[] = [];

  override commit(writes: readonly Write[]): Promise<void> {
    for (const { kind, mayWait } of writes) {
      if (kind.name === alertCompletions.name) this.urgent.push(mayWait !== true);
    }
    return super.commit(writes);
  }
}

class FailingStore extends MemoryStore {
  failing = false;

  override commit(writes: Parameters<MemoryStore["commit"]>[0]): Promise<void> {
    if (this.failing) return Promise.reject(new StorageError("disk full"));
    return super.commit(writes);
  }
}

describe("a member alone", () => {
  function alone(store = new MemoryStore(), boot = 1n) {
    const clock = new VirtualClock();
    const member = new FakeNetwork().add(1);
    return { clock, store, site: new Site(clock, member, member, store, boot) };
  }

  test("accepts and sends at once, and leaves nothing on disk but the completion", async () => {
    const { site, store } = alone();
    site.service.publish(alert("a"), "cluster");
    await site.service.settled();
    await promises();
    expect(site.accepted).toEqual(["a"]);
    expect(site.sends.map(({ id }) => id)).toEqual(["a"]);
    expect(store.table(pendingAlerts).count()).toBe(0);
    expect(store.table(alertCompletions).count()).toBe(1);
    expect(site.count("primary-handle-count")).toBe(1);
  });

  test("the same event twice is two events, and an older one is sent too: there is nobody to repeat", async () => {
    const { site } = alone();
    for (const ms of [5, 5, 3]) site.service.publish(alert("a", ms), "cluster");
    await promises();
    expect(site.sends.map(({ ms }) => ms)).toEqual([5, 5, 3]);
  });

  test("one send per ID runs at a time, others beside it", async () => {
    const { site } = alone();
    site.outcome = undefined;
    for (const ms of [1, 2])
      for (const id of ["a", "b"]) site.service.publish(alert(id, ms), "cluster");
    await promises();
    expect(site.sends.map(({ id, ms }) => `${id}${ms}`)).toEqual(["a1", "b1"]);
    site.service.sendFinished(site.sends[0]?.ticket ?? 0, { kind: "sent" });
    await promises();
    expect(site.sends.map(({ id, ms }) => `${id}${ms}`)).toEqual(["a1", "b1", "a2"]);
  });

  test("settled waits for the disk, and what was not sent is taken up by the next start", async () => {
    const { site, store } = alone();
    site.outcome = undefined;
    site.service.publish(alert("a"), "cluster");
    site.service.publish(alert("b"), "local");
    let isSettled = false;
    const settled = site.service.settled().then(() => {
      isSettled = true;
    });
    expect(isSettled).toBe(false);
    await settled;
    expect(store.table(pendingAlerts).count()).toBe(2);
    const next = alone(store, 2n).site;
    expect(next.sends).toEqual([]);
    next.service.recover();
    await promises();
    expect(next.sends.map(({ id }) => id).sort()).toEqual(["a", "b"]);
    expect(store.table(pendingAlerts).count()).toBe(0);
  });

  test.each(["cluster", "local"] as const)(
    "the next start tells only the handlers that were not told (%s)",
    async (scope) => {
      const { site, store } = alone();
      site.handlers = ["told", "refusing", "hanging"];
      site.outcome = undefined;
      site.service.publish(alert("a"), scope);
      await site.service.settled();
      const [told, refusing] = site.sends;
      site.service.sendFinished(told?.ticket ?? 0, { kind: "sent" });
      site.service.sendFinished(refusing?.ticket ?? 0, { kind: "rejected", error: "no" });
      await promises();
      const next = alone(store, 2n).site;
      next.handlers = [...site.handlers, "new"];
      next.service.recover();
      await promises();
      expect(next.sends.map(({ handler }) => handler)).toEqual(["hanging"]);
      expect(store.table(pendingAlerts).count()).toBe(0);
    },
  );

  test("settled tells of a disk that refuses, and the alert is sent all the same", async () => {
    const store = new FailingStore();
    const { site } = alone(store);
    store.failing = true;
    site.outcome = undefined;
    site.service.publish(alert("a"), "cluster");
    expect(site.service.settled()).rejects.toThrow("disk full");
    await promises();
    expect(site.sends.length).toBe(1);
    expect(await site.service.settled()).toBeUndefined();
  });

  test("an event without handlers is settled", async () => {
    const { site, store } = alone();
    site.handlers = [];
    site.service.publish(alert("a"), "cluster");
    await site.service.settled();
    expect(site.count("no_handler")).toBe(1);
    expect(store.table(pendingAlerts).count()).toBe(0);
  });

  test("accepting or sending an event may publish another one", async () => {
    const { site } = alone();
    site.onAccept = ({ topic }) => {
      if (topic === "t") site.service.publish(alert("from accept", 1, 3, "u"), "cluster");
    };
    site.onSend = ({ topic }) => {
      if (topic === "t") site.service.publish(alert("from send", 1, 3, "v"), "cluster");
    };
    site.service.publish(alert("a"), "cluster");
    await promises();
    expect(site.sends.map(({ id }) => id)).toEqual(["a", "from accept", "from send"]);
  });

  test("a failed send is given up, and the next event of the ID goes on", async () => {
    const { site, store } = alone();
    site.outcome = { kind: "retry", error: "no" };
    site.service.publish(alert("a", 1), "cluster");
    site.service.publish(alert("a", 2), "cluster");
    await promises();
    expect(site.sends.map(({ ms }) => ms)).toEqual([1, 2]);
    expect(site.count("all_failed")).toBe(2);
    expect(store.table(pendingAlerts).count()).toBe(0);
  });

  test("forgetting a topic drops what waits for it and its completions", async () => {
    const { site, store } = alone();
    site.service.publish(alert("a", 1), "cluster");
    await promises();
    site.outcome = undefined;
    for (const ms of [2, 3]) site.service.publish(alert("a", ms), "cluster");
    await promises();
    site.service.forgetTopic("t");
    site.service.sendFinished(site.sends.at(-1)?.ticket ?? 0, { kind: "rejected", error: "no" });
    await promises();
    expect(site.sends.map(({ ms }) => ms)).toEqual([1, 2]);
    expect(store.table(alertCompletions).count()).toBe(0);
    expect(site.count("events_held")).toBe(0);
  });

  test("closing lets a send in flight end, for ten seconds, and keeps it on disk otherwise", async () => {
    const { site, store, clock } = alone();
    site.outcome = undefined;
    site.service.publish(alert("a"), "cluster");
    await promises();
    let isClosed = false;
    const closing = site.service.close().then(() => {
      isClosed = true;
    });
    clock.advance(9900);
    await promises();
    expect(isClosed).toBe(false);
    clock.advance(200);
    await promises();
    await closing;
    expect(site.cancelled).toEqual([site.sends[0]?.ticket ?? 0]);
    expect(store.table(pendingAlerts).count()).toBe(1);
  });
});

describe("two members", () => {
  function pair() {
    const clock = new VirtualClock();
    const network = new FakeNetwork();
    const members = [network.add(1), network.add(2)] as const;
    for (const member of members) member.join("c", [1, 2]);
    const stores = members.map(() => new UrgencyStore());
    const sites = members.map(
      (member, i) => new Site(clock, member, member, stores[i] ?? new MemoryStore()),
    );
    const [a, b] = sites;
    if (a === undefined || b === undefined) throw new Error("two sites");
    return { clock, network, members, stores, a, b };
  }

  async function linked() {
    const all = pair();
    all.network.link(...all.members);
    await promises();
    const first = all.a.service.owners("t").home[0] === all.members[0].id ? all.a : all.b;
    return { ...all, first, second: first === all.a ? all.b : all.a };
  }

  test("a burst published in one turn travels in few calls", async () => {
    const { first, second, members } = await linked();
    const before = members[0].calls + members[1].calls;
    for (let i = 0; i < 1000; i++) second.service.publish(alert(`id${i}`), "cluster");
    await second.service.settled();
    await promises();
    expect(first.sends.length).toBe(1000);
    expect(second.sends.length).toBe(0);
    expect(members[0].calls + members[1].calls - before).toBeLessThan(12);
  });

  test("settled means that another owner has it, without any disk", async () => {
    const { first, second } = await linked();
    first.outcome = undefined;
    second.service.publish(alert("a"), "cluster");
    await second.service.settled();
    expect(first.accepted).toEqual(["a"]);
    expect(second.count("pending_persisted")).toBe(0);
  });

  test("a completion may wait for other flushes where another owner has the event, and not otherwise", async () => {
    const { clock, first, second, members, stores } = await linked();
    first.outcome = undefined;
    first.service.publish(alert("a"), "cluster");
    await second.service.settled();
    await promises();
    first.service.sendFinished(first.sends[0]?.ticket ?? 0, { kind: "sent" });
    await promises();
    // Who only heard of it writes it with others, at the next beat.
    expect(stores.map(({ urgent }) => urgent.length).sort()).toEqual([0, 1]);
    clock.advance(BEAT_MS);
    await promises();
    expect(stores.map(({ urgent }) => urgent)).toEqual([[false], [false]]);
    for (const member of members) member.reachable = false;
    first.service.publish(alert("b"), "cluster");
    await promises();
    first.service.sendFinished(first.sends[1]?.ticket ?? 0, { kind: "sent" });
    await promises();
    expect(stores.flatMap(({ urgent }) => urgent).filter(Boolean)).toEqual([true]);
  });

  test("completions that were heard and not written yet are written when the member stops", async () => {
    const { first, second, stores } = await linked();
    first.service.publish(alert("a"), "cluster");
    await promises();
    const rows = () => stores.map((store) => store.table(alertCompletions).count());
    expect(rows().sort()).toEqual([0, 1]);
    const closing = second.service.close();
    await promises();
    await closing;
    expect(rows()).toEqual([1, 1]);
  });

  test("many completions that were heard are written before the beat", async () => {
    const { first, stores } = await linked();
    for (let i = 0; i < HEARD_MAX; i++) first.service.publish(alert(`id${i}`), "cluster");
    await promises();
    for (const store of stores) expect(store.table(alertCompletions).count()).toBe(HEARD_MAX);
  });

  test("when no owner acknowledges, settled means the disk, a quarter of a second later", async () => {
    const { clock, first, second, members } = await linked();
    for (const member of members) member.reachable = false;
    second.service.publish(alert("a"), "cluster");
    let isSettled = false;
    void second.service.settled().then(() => {
      isSettled = true;
    });
    await promises();
    expect(isSettled).toBe(false);
    for (let passed = 0; passed < 260; passed += 10) {
      clock.advance(10);
      await promises();
    }
    expect(isSettled).toBe(true);
    expect(first.accepted).toEqual([]);
  });

  test("nothing is sent before the others were asked after a start, and the key they know is not repeated", async () => {
    const { a, b, network, members, clock } = pair();
    const first = a.service.owners("t").home[0] === members[0].id ? a : b;
    first.service.publish(alert("a"), "cluster");
    await promises();
    expect(first.sends).toEqual([]);
    network.link(...members);
    clock.advance(1);
    await promises();
    expect(first.sends.length).toBe(1);
  });

  test("a stall holds sends until the other member answered", async () => {
    const { first, members, clock } = await linked();
    for (const member of members) member.reachable = false;
    clock.advance(100);
    // The heartbeat is late: the clock jumped without timers running.
    const jump = clock.monoMs.bind(clock);
    clock.monoMs = () => jump() + 3000;
    first.service.publish(alert("a"), "cluster");
    await promises();
    expect(first.count("stall")).toBe(1);
    expect(first.sends).toEqual([]);
    for (const member of members) member.reachable = true;
    for (let passed = 0; passed < 200; passed += 10) {
      clock.advance(10);
      await promises();
    }
    expect(first.sends.length).toBe(1);
  });

  test("a batch that the peer will never take is dropped alone", async () => {
    const { first, second, clock } = await linked();
    // Something that cannot be read at the other end.
    const bad: AlertEvent = { ...alert("bad"), hops: Number.NaN };
    for (const event of [alert("a"), bad, alert("b")]) second.service.publish(event, "cluster");
    for (let passed = 0; passed < 2000; passed += 50) {
      clock.advance(50);
      await promises();
    }
    expect(first.sends.map(({ id }) => id)).toEqual(["a", "b"]);
    expect(second.count("batch_refused")).toBe(1);
  });
});

afterEach(closeAll);

describe("on real sockets", () => {
  async function sites(count: number) {
    const members = await Promise.all(
      Array.from({ length: count }, (_, i) => Member.alone(i + 1, "c", { calls: CALLS })),
    );
    const all = members.map((member) => {
      const site = new Site(systemClock, member.links, member, new MemoryStore());
      return { member, site };
    });
    for (const { member } of all) member.see(members);
    await until(() => all.every(({ member }) => member.states.length >= count - 1));
    return all;
  }

  test("200 events raised on both of two members are told 200 times, by the first owner", async () => {
    const all = await sites(2);
    for (let i = 0; i < 200; i++) {
      for (const { site } of all) site.service.publish(alert(`id${i % 7}`, i), "cluster");
      if (i % 20 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const total = () => all.reduce((sum, { site }) => sum + site.sends.length, 0);
    await until(() => total() >= 200 && all.every(({ site }) => site.count("events_held") === 0));
    expect(total()).toBe(200);
    expect(all.map(({ site }) => site.sends.length).sort()).toEqual([0, 200]);
  });

  test("the first owner goes away in the middle: nothing is lost", async () => {
    const all = await sites(3);
    const home = all[0]?.site.service.owners("t").home[0];
    const first = all.find(({ member }) => member.id === home);
    if (first === undefined) throw new Error("the topic has a first owner");
    const others = all.filter((one) => one !== first);
    const told = new Set<string>();
    for (const { site } of all) site.onSend = ({ id }) => void told.add(id);
    for (let i = 0; i < 200; i++) {
      if (i === 100) await first.member.close();
      for (const { site } of others) site.service.publish(alert(`id${i}`, i), "cluster");
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => told.size === 200);
    expect(others.some(({ site }) => site.count("takeover_gone") > 0)).toBe(true);
  });
});
