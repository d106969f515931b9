/**
 * Line protocol as Telegraf agents send it, made before a clock starts: the same bytes in every run.
 *
 * Numbers have the 15 to 17 digits that Telegraf prints, because reading them is a large part of a point's
 * cost. Counters of `net` grow with the round, so that derivatives mean something.
 */

import { SeededRandom } from "#lib/random.ts";

/** Values 0 … 99.99 with as many digits as a float64 has. */
const LONG = Array.from({ length: 10_000 }, (_, i) =>
  String(i / 100 + ((i * 7919) % 9973) / 1.0007e6),
);
const REGIONS = ["us-east", "us-west", "eu-west", "ap-south"];
const FIRST_SECOND = 1_700_000_000;

type Line = (host: number, round: number, random: SeededRandom) => string;

function long(random: SeededRandom, below = LONG.length): string {
  return LONG[random.below(below)] ?? "";
}

function hostTags(host: number): string {
  return `host=host-${String(host).padStart(6, "0")}.example.net,region=${REGIONS[host % 4]}`;
}

const LINES: Readonly<Record<string, Line>> = {
  cpu: (host, _, r) =>
    `cpu,cpu=cpu-total,dc=dc${host % 7},${hostTags(host)} usage_guest=0,usage_guest_nice=0,` +
    `usage_idle=${long(r)},usage_iowait=${long(r, 300)},usage_irq=0,usage_nice=0,` +
    `usage_softirq=${long(r, 100)},usage_steal=0,usage_system=${long(r)},usage_user=${long(r)}`,
  mem: (host, _, r) =>
    `mem,dc=dc${host % 7},${hostTags(host)} active=${r.u32()}i,available=${r.u32()}i,` +
    `available_percent=${long(r)},buffered=${r.u32()}i,cached=${r.u32()}i,free=${r.u32()}i,` +
    `inactive=${r.u32()}i,total=16821850112i,used=${r.u32()}i,used_percent=${long(r)}`,
  disk: (host, _, r) =>
    `disk,dc=dc${host % 7},device=sda1,fstype=ext4,${hostTags(host)},mode=rw,path=/ ` +
    `free=${r.u32()}i,inodes_free=${r.u32()}i,inodes_total=6553600i,inodes_used=${r.below(1e6)}i,` +
    `total=105555197952i,used=${r.u32()}i,used_percent=${long(r)}`,
  net: (host, n, r) =>
    `net,dc=dc${host % 7},${hostTags(host)},interface=eth0 ` +
    `bytes_recv=${n * 1_250_000 + r.below(1_200_000)}i,` +
    `bytes_sent=${n * 650_000 + r.below(600_000)}i,drop_in=${r.below(3)}i,drop_out=0i,err_in=0i,` +
    `err_out=0i,packets_recv=${n * 900 + r.below(800)}i,packets_sent=${n * 800 + r.below(700)}i`,
  http_access: (host, _, r) =>
    `http_access,dc=dc${host % 7},${hostTags(host)},resp_code=${r.below(9) === 0 ? 404 : 200},verb=GET ` +
    `agent="Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101",bytes=${r.below(1e5)}i,` +
    `client_ip="10.1.${r.below(256)}.${r.below(256)}",path="/api/v1/items?tag=\\"new\\"",` +
    `resp_ms=${long(r)},slow=${r.below(2) === 0 ? "true" : "false"}`,
  tiny: (host, _, r) => `tiny,host=host-${host} v=${r.below(1e4) / 100}`,
  /** Numbered from 0 in the order in which they are made. */
  event: (host, n) => `event,host=host-${host} seq=${n}i`,
};

export interface BodyOptions {
  readonly measurements: readonly string[];
  readonly hosts: number;
  readonly rounds: number;
  readonly linesPerBody: number | ((random: SeededRandom) => number);
  /** Only every so-manieth host, from this one on: several senders keep each series in order. */
  readonly firstHost?: number;
  readonly hostStep?: number;
  /** The first round's number; times go on by one second per round. */
  readonly firstRound?: number;
}

export interface Body {
  readonly bytes: Uint8Array;
  readonly lines: number;
}

/** Bodies of all hosts, round by round. */
export function* bodies(options: BodyOptions): Generator<Body> {
  const { measurements, hosts, rounds, linesPerBody, firstRound = 0 } = options;
  const { firstHost = 0, hostStep = 1 } = options;
  const random = new SeededRandom(1 + firstRound + firstHost);
  const size = typeof linesPerBody === "number" ? () => linesPerBody : linesPerBody;
  const encoder = new TextEncoder();
  let lines: string[] = [];
  let wanted = size(random);
  for (let round = firstRound; round < firstRound + rounds; round++) {
    const stamp = ` ${FIRST_SECOND + round}000000000\n`;
    for (let host = firstHost; host < hosts; host += hostStep) {
      for (const name of measurements) {
        lines.push((LINES[name]?.(host, round, random) ?? "") + stamp);
        if (lines.length < wanted) continue;
        yield { bytes: encoder.encode(lines.join("")), lines: lines.length };
        lines = [];
        wanted = size(random);
      }
    }
  }
  if (lines.length > 0) yield { bytes: encoder.encode(lines.join("")), lines: lines.length };
}
