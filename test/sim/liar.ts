/**
 * A member that holds the key and announces nonsense: its packets are whole and sealed, what they say is made up.
 *
 * It stands in for a member of the run, with that one's identity and address and a newer boot number. It answers pings, so
 * that it is believed, and says of everybody, now and then of somebody who does not exist, what the types allow: any epoch,
 * incarnation and boot number, any status, flags, other addresses. The one thing that nobody can recover from is left
 * out, as it is left out by chance: the very largest numbers, above which the one spoken of cannot go. So are REMOVED, an
 * operator's order that is obeyed whoever gives it, and the order to give way to an older process (U31).
 */

import { ByteWriter } from "#cluster/messages/bytes.ts";
import { randomUuid } from "#cluster/messages/member-id.ts";
import { type Profile, REMOVED, type Version } from "#cluster/messages/message.ts";
import { type GossipRecord, readRecord, writeRecord } from "#cluster/messages/registry.ts";
import type { Address, MemberId } from "#cluster/ports.ts";
import { PacketCodec } from "#cluster/swim/packet.ts";
import { SeededRandom } from "#lib/random.ts";
import type { Stage } from "./faults.ts";
import type { Host, Wire } from "./network.ts";
import type { Fault } from "./plan.ts";
import type { SimMember } from "./sim-member.ts";

/** Between two lies, ms. */
const LIE_EVERY_MS = 300;
/** Members that do not exist, per liar: they stay in every table for ever. */
const GHOSTS_MAX = 2;
/** After its end the operator removes it, and looks after this whether that was heard, ms. */
const REMOVE_AGAIN_MS = [500, 3_000, 6_000] as const;
/** Its machine's own process starts again after this, ms. */
const RESTART_MS = 8_000;
const DATAGRAM_MAX = 65_507;
const U32 = 0x100000000;

/** One member lies for the length of the fault, then it is removed. */
export function lie(stage: Stage, target: SimMember, other: SimMember, fault: Fault): void {
  const { members, mayBeRemoved, world } = stage;
  const { swim } = target;
  if (swim === undefined || swim.clusterId !== stage.clusterId || target.retired) return;
  if (target === other || mayBeRemoved.size >= members.length - 2) return;
  // One member's address in a run may be unknown to the others: see `move`.
  stage.mover ??= other;
  const liar = new Liar(stage, target, fault);
  target.crash(false);
  mayBeRemoved.add(target.id);
  liar.begin();
  world.clock.after(fault.lengthMs, () => {
    liar.end();
    for (const after of REMOVE_AGAIN_MS) world.clock.after(after, () => takeOut(stage, target));
    world.clock.after(RESTART_MS, () => {
      if (stage.phase === "safety") target.start();
    });
  });
}

/** The operator removes it as long as it is still listed. */
function takeOut(stage: Stage, target: SimMember): void {
  const { clusterId, members, operator } = stage;
  const taker = members.find(
    (m) => m !== target && m.swim?.clusterId === clusterId && m.swim.initialized && !m.paused,
  );
  const known = taker?.swim?.entry(target.id);
  if (taker === undefined || known === undefined || known.rank === REMOVED) return;
  operator.remove(taker, target, () => {});
  stage.count("liars-removed");
}

class Liar implements Host {
  readonly index: number;
  readonly address: Address;
  state: Host["state"] = "up";
  readonly #stage: Stage;
  readonly #target: SimMember;
  readonly #random: SeededRandom;
  readonly #codec: PacketCodec;
  readonly #writer = new ByteWriter(16 * 1024);
  /** What everybody was before the lies. */
  readonly #known: { readonly version: Version; readonly profile: Profile }[] = [];
  readonly #ghosts: MemberId[] = [];
  #counter = 0;

  constructor(stage: Stage, target: SimMember, fault: Fault) {
    const { world } = stage;
    this.#stage = stage;
    this.#target = target;
    this.index = target.index;
    this.address = target.address;
    this.#random = new SeededRandom(fault.salt);
    const { swim } = target;
    const clusterId = swim?.clusterId ?? "";
    const tag = world.crypto.sha256(new TextEncoder().encode(`cluster${clusterId}`)).slice(0, 8);
    const identity = { clusterId, clusterTag: tag, id: target.id, boot: (swim?.boot ?? 0n) + 1n };
    this.#codec = new PacketCodec(world.crypto, world.ids, identity);
    this.#codec.setKeys(target.keys ?? world.keys, false);
    for (const { epoch, incarnation, profile } of swim?.entries() ?? []) {
      if (profile !== undefined) this.#known.push({ version: { epoch, incarnation }, profile });
    }
  }

  begin(): void {
    this.#stage.world.network.bind(this);
    this.#goOn();
  }

  end(): void {
    this.state = "stopped";
    this.#stage.world.network.bind(this.#target);
  }

  runs(): boolean {
    return this.state === "up";
  }

  /** Its connections are refused. */
  accepted(_wire: Wire): void {}

  datagram(from: Address, bytes: Uint8Array): void {
    const opened = this.#codec.open(bytes, DATAGRAM_MAX);
    if (typeof opened === "string") return;
    while (opened.records.left > 0) {
      const record = readRecord(opened.records, this.#stage.world.ids);
      if (record?.kind !== "ping") continue;
      const [hashHigh, hashLow] = [this.#random.u32(), this.#random.u32()];
      this.#send(from, [{ kind: "ack", seq: record.seq, hashHigh, hashLow }, this.#nonsense()]);
    }
  }

  #goOn(): void {
    if (this.state !== "up") return;
    const { members, world } = this.#stage;
    const to = members[this.#random.below(members.length)];
    if (to !== undefined && to !== this.#target) this.#send(to.address, [this.#nonsense()]);
    world.clock.after(LIE_EVERY_MS, () => this.#goOn());
  }

  #send(to: Address, records: readonly GossipRecord[]): void {
    const { world } = this.#stage;
    const writer = this.#writer;
    this.#codec.begin(writer, ++this.#counter);
    for (const record of records) writeRecord(writer, record, world.ids);
    world.network.send(this, to, this.#codec.finish(writer));
    this.#stage.count("lies-told");
  }

  #nonsense(): GossipRecord {
    const random = this.#random;
    const dice = random.below(10);
    if (dice === 0 && this.#ghosts.length < GHOSTS_MAX) return this.#ghost();
    const about = this.#known[random.below(this.#known.length)];
    if (about === undefined) return this.#ghost();
    const { id } = about.profile;
    this.#stage.liedAbout.add(id);
    if (dice < 5) {
      return {
        kind: "alive",
        version: this.#version(about),
        profile: this.#profile(about.profile),
      };
    }
    const version = this.#version(about);
    const accuser = this.#known[random.below(this.#known.length)]?.profile.id ?? id;
    const reason = random.below(2) === 0 ? "silent" : "refused";
    if (dice < 7) return { kind: "suspect", version, id, accuser, reason };
    if (dice < 9) return { kind: "dead", version, id, accuser, reason };
    return { kind: "left", version, id };
  }

  /** Half of them as they were, so that accusations, which must name the epoch, are heard too. */
  #version({ version }: { readonly version: Version }): Version {
    const random = this.#random;
    return {
      epoch: random.below(4) === 0 ? this.#number() : version.epoch,
      incarnation: random.below(4) > 0 ? this.#number() : version.incarnation,
    };
  }

  /** Of any size up to half of what fits: large ones alone would be beaten by nothing that follows. */
  #number(): number {
    return this.#random.below(2 ** (1 + this.#random.below(31)));
  }

  #profile(profile: Profile): Profile {
    const random = this.#random;
    const { members, mover } = this.#stage;
    const boot = (BigInt(random.below(U32 / 2)) << 32n) | BigInt(random.u32());
    const another = members[random.below(members.length)]?.address ?? profile.gossip;
    const addresses: readonly Address[] = [
      { host: `10.66.${random.below(256)}.${random.below(256)}`, port: random.below(65_536) },
      another,
      profile.gossip,
    ];
    const mayMove = profile.id === mover?.id;
    const gossip = mayMove ? (addresses[random.below(3)] ?? profile.gossip) : profile.gossip;
    return {
      ...profile,
      gossip,
      boot: random.below(2) === 0 ? boot : profile.boot,
      redundancy: random.below(65_536),
      joined: random.u32(),
      tcpOnly: random.below(4) === 0,
      leaving: random.below(4) === 0,
      reclaimed: false,
    };
  }

  #ghost(): GossipRecord {
    const random = this.#random;
    const id = randomUuid(random.bytes(16));
    this.#ghosts.push(id);
    this.#stage.liedAbout.add(id);
    const [model] = this.#known;
    const host = `10.67.0.${this.#ghosts.length}`;
    const gossip = { host, port: 9090 };
    const profile = model === undefined ? undefined : this.#profile(model.profile);
    const version = { epoch: 1 + this.#number(), incarnation: this.#number() };
    if (profile === undefined) return { kind: "left", version, id };
    return {
      kind: "alive",
      version,
      profile: { ...profile, id, gossip, gossipText: `${host}:9090` },
    };
  }
}
