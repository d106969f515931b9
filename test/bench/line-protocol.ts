/**
 * How fast line protocol is read, in lines per second on one core. Run by hand:
 * `bun test/bench/line-protocol.ts [seconds per row]`.
 *
 * Lines have 5 tags and 10 fields, 1,000 per body, nanosecond stamps; series come round in a fixed order
 * unless the row says otherwise. Values change in every body.
 */

import { SeededRandom } from "#lib/random.ts";
import { LineProtocolReader, type ReadOptions } from "#model/line-protocol.ts";
import type { Series } from "#model/series.ts";
import { SeriesTable } from "#model/series-table.ts";

const LINES = 1_000;
const BODIES = 50;
const random = new SeededRandom(7);

type Value = (field: number) => string;

function body(series: number, from: number, value: Value, shuffled: boolean): Uint8Array {
  const lines: string[] = [];
  for (let n = 0; n < LINES; n++) {
    const i = shuffled ? random.below(series) : (from + n) % series;
    const tags = `host=server-${i},region=eu-west-${i % 7},rack=r${i % 40},service=api,env=prod`;
    const fields = Array.from({ length: 10 }, (_, f) => `usage_field_${f}=${value(f)}`);
    const stamp = `16000000${String(from + n).padStart(11, "0")}`;
    lines.push(`cpu_${i % 10},${tags} ${fields.join(",")} ${stamp}`);
  }
  return new TextEncoder().encode(`${lines.join("\n")}\n`);
}

const short: Value = () => (random.float() * 100).toFixed(2);
const long: Value = () => String(random.float() * 100);
const ints: Value = () => `${random.u32()}i`;
const mixed: Value = (f) => (f < 7 ? short(f) : f < 9 ? ints(f) : `"state ${random.below(9)}"`);
const two: readonly string[] = ["usage_field_3", "usage_field_7"];

const rows: readonly [string, number, Value, boolean, ReadOptions["wants"]][] = [
  ["floats, 2 decimals", 1_000, short, false, undefined],
  ["floats, 16 or 17 digits", 1_000, long, false, undefined],
  ["integers", 1_000, ints, false, undefined],
  ["floats, integers, a string", 1_000, mixed, false, undefined],
  ["series in random order", 1_000, short, true, undefined],
  ["100,000 series in order", 100_000, short, false, undefined],
  ["two fields wanted", 1_000, short, false, () => two],
  ["nobody wants it", 1_000, short, false, (_: Series) => false],
];

const seconds = Number(process.argv[2] ?? 1.5);
for (const [name, series, value, shuffled, wants] of rows) {
  const bodies = Array.from({ length: BODIES }, (_, b) => body(series, b * LINES, value, shuffled));
  const reader = new LineProtocolReader(new SeriesTable());
  const options: ReadOptions = {
    db: "telegraf",
    rp: "autogen",
    precision: "ns",
    now: { ms: 0, ns: 0 },
    ...(wants === undefined ? {} : { wants }),
  };
  for (let round = 0; round < 3; round++) for (const b of bodies) reader.readAll(b, options);
  const start = performance.now();
  let lines = 0;
  let bytes = 0;
  while (performance.now() - start < seconds * 1_000) {
    for (const b of bodies) {
      lines += reader.readAll(b, options).lines;
      bytes += b.length;
    }
  }
  const elapsed = (performance.now() - start) / 1_000;
  const rate = Math.round(lines / elapsed / 1_000);
  const mb = Math.round(bytes / elapsed / 1e6);
  console.log(
    `${name.padEnd(28)} ${String(rate).padStart(6)} k lines/s ${String(mb).padStart(5)} MB/s`,
  );
}
