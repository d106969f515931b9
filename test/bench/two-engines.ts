/**
 * What would a second engine bring? The tasks of a scenario on one daemon, and halved over two that are both given every
 * point, as Workers with tasks sharded over them would be: an upper bound, because handing bodies to a Worker costs, too.
 * Run by hand: `bun test/bench/two-engines.ts [scenario …]`. Prints wall time, CPU and memory; nothing is asserted.
 */

import { drive } from "../../scripts/bench-client.ts";
import { BenchDaemon } from "../../scripts/bench-daemon.ts";
import { feedsOf, sizeOf } from "../../scripts/bench-load.ts";
import { Receiver } from "../../scripts/bench-receiver.ts";
import { type Scenario, scenarioOf } from "../../scripts/bench-scenarios.ts";

const DEFAULT = ["windows-100", "tasks-100", "windows"];

async function measure(scenario: Scenario, engines: number): Promise<void> {
  await using receiver = await Receiver.start();
  await using stack = new AsyncDisposableStack();
  const daemons: BenchDaemon[] = [];
  for (let i = 0; i < engines; i++) daemons.push(stack.use(await BenchDaemon.start()));
  const scripts = scenario.scripts(receiver.url, 1);
  for (const [i, script] of scripts.entries()) {
    await daemons[i % engines]?.define(`t${i}`, script);
  }
  const feeds = feedsOf(scenario.data, sizeOf(scenario.data, 1));
  const cpu = (): number => daemons.reduce((sum, daemon) => sum + daemon.cpuSeconds(), 0);
  const before = cpu();
  const drives = await Promise.all(daemons.map((daemon) => drive(daemon.url, feeds)));
  const seconds = Math.max(...drives.map((one) => one.seconds));
  const points = drives[0]?.points ?? 0;
  const memory = daemons.reduce((sum, daemon) => sum + daemon.memoryMiB("peak"), 0);
  console.log(
    `${scenario.name.padEnd(12)} ${engines} × ${Math.ceil(scripts.length / engines)} tasks  ` +
      `${seconds.toFixed(2)} s  ${Math.round(points / seconds)} points/s  ` +
      `${(cpu() - before).toFixed(2)} CPU-s  ${memory.toFixed(0)} MiB`,
  );
}

const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : DEFAULT) {
  for (const engines of [1, 2]) await measure(scenarioOf(name), engines);
}
