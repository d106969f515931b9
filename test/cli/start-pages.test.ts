import { expect, test } from "bun:test";
import { join } from "node:path";
import { unwritableParts } from "#cli/start-pages.ts";

const FILE = "/usr/bin/kapacitor";
const MAPS = `00200000-01a39000 r--p 00000000 fe:00 396342   ${FILE}
01a40000-06849000 r-xp 01838000 fe:00 396342   ${FILE}
0684a000-0685e000 rw-p 06641000 fe:00 396342   ${FILE}
0685e000-06868000 r--p 06656000 fe:00 396342   ${FILE}
7f0000000000-7f0000021000 rw-p 00000000 00:00 0
7f0000100000-7f0000200000 r-xp 00026000 fe:00 77   /usr/lib/libc.so.6
`;

test("only what the process cannot have written to is given back", () => {
  expect(unwritableParts(MAPS, FILE)).toEqual([
    [0x200000n, 0x1a39000n],
    [0x1a40000n, 0x6849000n],
  ]);
  expect(unwritableParts(MAPS, "/usr/bin/other")).toEqual([]);
  expect(unwritableParts("", FILE)).toEqual([]);
});

test("a process goes on with less resident memory of its file", () => {
  const script = `
    import { readFileSync } from "node:fs";
    import { returnStartPages } from "${join(import.meta.dir, "../../src/cli/start-pages.ts")}";
    import { silentLog } from "${join(import.meta.dir, "../../src/lib/log.ts")}";
    const resident = () => Number(/RssFile:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
    const before = resident();
    await returnStartPages(silentLog);
    console.log(JSON.stringify({ before, after: resident(), sum: [1, 2, 3].reduce((a, b) => a + b) }));`;
  const child = Bun.spawnSync([process.execPath, "-e", script]);
  expect(child.stderr.toString()).toBe("");
  const { before, after, sum } = JSON.parse(child.stdout.toString());
  expect(after).toBeLessThan(before / 2);
  expect(sum).toBe(6);
});
