/**
 * Figures of the compiled binary. Nothing is asserted: benches measure, tests check behaviour.
 */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scriptArguments } from "./arguments.ts";
import { benchFailover } from "./bench-failover.ts";
import { benchGossip, gossipBench } from "./bench-gossip.ts";
import { restartRounds } from "./bench-restart.ts";
import { benchRun, listBenches, RUN_ARGUMENTS } from "./bench-run.ts";
import { benchSoak } from "./bench-soak.ts";
import { build } from "./build.ts";
import { BINARY, Member } from "./lab.ts";

const ROUNDS = 15;

interface Figure {
  readonly name: string;
  readonly values: readonly number[];
  readonly limit: string;
}

/** Milliseconds of `kapacitor version` as a whole process. */
function versionRounds(): Figure {
  const values: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const start = performance.now();
    Bun.spawnSync([BINARY, "version"]);
    values.push(performance.now() - start);
  }
  return { name: "kapacitor version", values, limit: "under 100 ms" };
}

/** Milliseconds from the start of the daemon to its first answer to /ping. */
async function pingRounds(): Promise<Figure> {
  const values: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const directory = mkdtempSync(join(tmpdir(), "kapacitor-bench-"));
    const member = await Member.create({ name: "bench", host: "127.0.0.1", directory });
    await member.kill("SIGTERM");
    const start = performance.now();
    await member.start();
    values.push(performance.now() - start);
    await member.kill("SIGTERM");
    rmSync(directory, { recursive: true, force: true });
  }
  return { name: "daemon start to /ping", values, limit: "under 300 ms" };
}

function print({ name, values, limit }: Figure): void {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => (sorted[Math.floor((sorted.length - 1) * share)] ?? 0).toFixed(0);
  console.log(
    `${name.padEnd(24)} min ${at(0).padStart(4)} ms  median ${at(0.5).padStart(4)} ms  ` +
      `max ${at(1).padStart(4)} ms  (${limit}, ${values.length} rounds)`,
  );
}

scriptArguments({
  name: "bench",
  does: "Measures the compiled binary and prints tables. Without a word: every bench beside its target.",
  arguments: {
    ...RUN_ARGUMENTS,
    list: "the names of these benches",
    soak: "half of the maximum load for an hour: memory and latency of its halves",
    "--minutes": "how long soak lasts (60)",
    "--rate": "points/s of soak instead of half of the maximum",
    gossip: "membership beside Serf's; takes --members 3,10,30 --simulated 60,300,1000 --no-busy",
    "--members": "cluster sizes of real members for gossip, or none",
    "--simulated": "cluster sizes to simulate for gossip, or none",
    "--no-busy": "gossip without the twenty seconds of busy cores",
    failover:
      "duplicate and late notifications with and without faults, and what a member costs; a text: only such rows",
    restart: "from start to the first /ping with 1,000 tasks and 100,000 topic events stored",
    startup: "time of `kapacitor version` and from start to the first /ping",
  },
});
const [, , first = "run"] = process.argv;
const verb = first.startsWith("-") ? "run" : first;
const words = process.argv.slice(first === verb ? 3 : 2);
if (!["failover", "gossip", "list", "restart", "run", "soak", "startup"].includes(verb)) {
  console.error(
    "say which: ./scripts/bench [run], soak, failover, gossip, restart, startup or list",
  );
  process.exit(2);
}
if (verb === "list") {
  listBenches();
  process.exit();
}
// Another build than the one in dist/ is measured as it is.
if (process.env["KAPACITOR_BINARY"] === undefined) await build();
if (verb === "run") process.exit((await benchRun(words)) === 0 ? 0 : 1);
if (verb === "soak") process.exit((await benchSoak(words)) === 0 ? 0 : 1);
if (verb === "gossip") process.exit((await benchGossip(gossipBench(words))) === 0 ? 0 : 1);
if (verb === "failover") {
  await benchFailover(words[0]);
  process.exit();
}
if (verb === "restart") {
  print({ name: "restart, much stored", values: await restartRounds(), limit: "under 2,000 ms" });
  process.exit();
}
print(versionRounds());
print(await pingRounds());
