/**
 * Hosts for members inside this machine: a network namespace each, joined by a bridge, with packet filters of their own.
 *
 * Packets are dropped where they arrive, never where they leave: a filter on departure gives the sender an error that
 * no broken network gives. A namespace lives as long as the process that holds it, which ends when this process does,
 * however that ends; members started through `launch` end with it too. Nothing is left behind, and nothing has a name
 * that another run could meet. Addresses are from 198.18.0.0/15, which is set aside for tests of networks.
 */

const PROGRAMS = ["ip", "nft", "nsenter", "setpriv", "unshare"];
const SUBNETS = 256;
/** The last part of the first member's address; this process has 1. */
const FIRST_HOST = 11;

/** Why there can be no lab here, or `undefined`. */
export function netLabProblem(): string | undefined {
  const missing = PROGRAMS.filter((program) => Bun.which(program) === null);
  if (missing.length > 0) return `not installed: ${missing.join(", ")}`;
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const tried = Bun.spawnSync(["unshare", "--net", "--", "nft", "list", "ruleset"]);
  if (tried.success) return undefined;
  return `network namespaces are not allowed here: ${tried.stderr.toString().trim()}`;
}

interface Namespace {
  readonly holder: Bun.Subprocess;
  readonly path: string;
}

/** What does not arrive at a member. */
interface Filter {
  /** Members whose packets are dropped. */
  readonly from: Set<number>;
  /** Members whose packets to one port are dropped: `udp 9090`. */
  readonly ports: Map<string, Set<number>>;
  udp: boolean;
  lostPercent: number;
}

export class NetLab {
  /** The address of this process, for endpoints that members call. */
  readonly gateway: string;
  readonly #subnet: number;
  readonly #link: string;
  readonly #bridge: Namespace;
  readonly #members: Namespace[] = [];
  readonly #filters: Filter[] = [];

  private constructor(subnet: number, bridge: Namespace) {
    this.#subnet = subnet;
    this.#link = linkName(subnet);
    this.#bridge = bridge;
    this.gateway = `198.18.${subnet}.1`;
  }

  /** Throws `Error` with what the system said. Call it only where there is no `netLabProblem`. */
  static async open(members: number): Promise<NetLab> {
    const bridge = await hold();
    let lab: NetLab | undefined;
    try {
      lab = new NetLab(takeSubnet(bridge.holder.pid), bridge);
      run("ip", "addr", "add", `${lab.gateway}/24`, "dev", lab.#link);
      run("ip", "link", "set", lab.#link, "up");
      inside(bridge, "ip", "link", "add", "br0", "type", "bridge");
      inside(bridge, "ip", "link", "set", "up0", "master", "br0");
      for (const link of ["br0", "up0"]) inside(bridge, "ip", "link", "set", link, "up");
      for (let i = 0; i < members; i++) await lab.#addHost();
      return lab;
    } catch (error) {
      if (lab === undefined) await release(bridge);
      else await lab.close();
      throw error;
    }
  }

  host(member: number): string {
    return `198.18.${this.#subnet}.${FIRST_HOST + member}`;
  }

  /** Words before a program's own that start it on a member's host. It ends when this process does. */
  launch(member: number): readonly string[] {
    const { path } = this.#at(member);
    return ["nsenter", `--net=${path}`, "setpriv", "--pdeathsig", "KILL", "--"];
  }

  /** Packets of `from` no longer arrive at `to`. */
  cutOneWay(from: number, to: number): void {
    this.#filterOf(to).from.add(from);
    this.#apply(to);
  }

  /** Nothing passes between the two groups, either way. */
  cut(side: readonly number[], other: readonly number[]): void {
    for (const a of side) {
      for (const b of other) {
        this.#filterOf(a).from.add(b);
        this.#filterOf(b).from.add(a);
      }
    }
    for (const member of [...side, ...other]) this.#apply(member);
  }

  /** Packets of `from` to one port of `to` no longer arrive. */
  block(from: number, to: number, protocol: "tcp" | "udp", port: number): void {
    const { ports } = this.#filterOf(to);
    const key = `${protocol} dport ${port}`;
    ports.set(key, new Set([...(ports.get(key) ?? []), from]));
    this.#apply(to);
  }

  /** No datagram arrives anywhere. */
  dropUdp(): void {
    for (const [member, filter] of this.#filters.entries()) {
      filter.udp = true;
      this.#apply(member);
    }
  }

  /** So many of 100 packets between members are lost, of every kind. */
  lose(percent: number): void {
    for (const [member, filter] of this.#filters.entries()) {
      filter.lostPercent = percent;
      this.#apply(member);
    }
  }

  /** Everything passes again. */
  heal(): void {
    for (const member of this.#filters.keys()) {
      this.#filters[member] = newFilter();
      this.#apply(member);
    }
  }

  /** Bytes and packets that a member's host has sent and received since it exists. */
  traffic(member: number): { readonly bytes: number; readonly packets: number } {
    const text = inside(this.#at(member), "ip", "-j", "-s", "link", "show", "dev", "eth0");
    const [link] = JSON.parse(text) as readonly {
      readonly stats64: Readonly<Record<"rx" | "tx", { bytes: number; packets: number }>>;
    }[];
    if (link === undefined) throw new Error("eth0 is not there");
    const { rx, tx } = link.stats64;
    return { bytes: rx.bytes + tx.bytes, packets: rx.packets + tx.packets };
  }

  /** Takes everything down; whatever still runs on these hosts ends. */
  async close(): Promise<void> {
    for (const namespace of [...this.#members, this.#bridge]) await release(namespace);
    // The system takes the link down with its other end, a little later; here it is gone at once.
    Bun.spawnSync(["ip", "link", "del", this.#link]);
  }

  async #addHost(): Promise<void> {
    const number = this.#members.length;
    const namespace = await hold();
    this.#members.push(namespace);
    this.#filters.push(newFilter());
    const { pid } = namespace.holder;
    const port = `m${number}`;
    const bridge = this.#bridge;
    inside(bridge, ...words(`ip link add ${port} type veth peer name eth0 netns ${pid}`));
    inside(bridge, ...words(`ip link set ${port} master br0 up`));
    inside(namespace, ...words(`ip addr add ${this.host(number)}/24 dev eth0`));
    for (const link of ["lo", "eth0"]) inside(namespace, "ip", "link", "set", link, "up");
  }

  #at(member: number): Namespace {
    const namespace = this.#members[member];
    if (namespace === undefined) throw new Error(`there is no host ${member}`);
    return namespace;
  }

  #filterOf(member: number): Filter {
    const filter = this.#filters[member];
    if (filter === undefined) throw new Error(`there is no host ${member}`);
    return filter;
  }

  /** Replaces a host's rules at once, so that no packet passes in between. */
  #apply(member: number): void {
    const { from, ports, udp, lostPercent } = this.#filterOf(member);
    const set = (members: Iterable<number>): string =>
      `{ ${[...members].map((other) => this.host(other)).join(", ")} }`;
    const all = set([...this.#members.keys()]);
    const rules = [
      ...(from.size > 0 ? [`ip saddr ${set(from)} drop`] : []),
      ...[...ports].map(([port, members]) => `ip saddr ${set(members)} ${port} drop`),
      ...(udp ? ["meta l4proto udp drop"] : []),
      ...(lostPercent > 0 ? [`ip saddr ${all} numgen random mod 100 < ${lostPercent} drop`] : []),
    ];
    const text = `add table inet lab
delete table inet lab
table inet lab {
  chain arriving {
    type filter hook input priority 0; policy accept;
    ${rules.join("\n    ")}
  }
}
`;
    const { path } = this.#at(member);
    const nft = Bun.spawnSync(["nsenter", `--net=${path}`, "nft", "-f", "-"], {
      stdin: Buffer.from(text),
    });
    if (!nft.success) throw new Error(`nft: ${nft.stderr}${text}`);
  }
}

function newFilter(): Filter {
  return { from: new Set(), ports: new Map(), udp: false, lostPercent: 0 };
}

const linkName = (subnet: number): string => `kaplab${subnet}`;

const words = (text: string): readonly string[] => text.split(" ");

/** A name can be taken once on this machine, so whoever makes the link has the subnet. */
function takeSubnet(bridgePid: number): number {
  const start = Math.floor(Math.random() * SUBNETS);
  let last = "";
  for (let i = 0; i < SUBNETS; i++) {
    const subnet = (start + i) % SUBNETS;
    const made = Bun.spawnSync([
      ...words(`ip link add ${linkName(subnet)} type veth peer name up0 netns ${bridgePid}`),
    ]);
    if (made.success) return subnet;
    last = made.stderr.toString().trim();
  }
  throw new Error(`no network is free: ${last}`);
}

/** A new network namespace, held by a process that ends when its input does. */
async function hold(): Promise<Namespace> {
  const holder = Bun.spawn(["unshare", "--net", "--", "sh", "-c", "echo ready; exec cat"], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
  });
  const reader = holder.stdout.getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  if (value === undefined) throw new Error("no network namespace could be made");
  return { holder, path: `/proc/${holder.pid}/ns/net` };
}

async function release({ holder }: Namespace): Promise<void> {
  holder.kill("SIGKILL");
  await holder.exited;
}

function inside({ path }: Namespace, ...command: readonly string[]): string {
  return run("nsenter", `--net=${path}`, ...command);
}

function run(...command: readonly string[]): string {
  const ran = Bun.spawnSync([...command]);
  if (!ran.success) throw new Error(`${command.join(" ")}: ${ran.stderr.toString().trim()}`);
  return ran.stdout.toString();
}
