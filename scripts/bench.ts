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

const { rest } = scriptArguments({
  name: "bench",
  does: "Measures the compiled binary and prints tables.",
  arguments: {
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
if (!["failover", "gossip", "restart", "startup"].includes(rest[0] ?? "")) {
  console.error("say which: ./scripts/bench failover, gossip, restart or startup");
  process.exit(2);
}
await build();
if (rest[0] === "gossip") {
  process.exit((await benchGossip(gossipBench(process.argv.slice(3)))) === 0 ? 0 : 1);
}
if (rest[0] === "failover") {
  await benchFailover(rest[1]);
  process.exit();
}
if (rest[0] === "restart") {
  print({ name: "restart, much stored", values: await restartRounds(), limit: "under 2,000 ms" });
  process.exit();
}
print(versionRounds());
print(await pingRounds());
