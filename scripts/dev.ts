/**
 * A daemon from source with temporary data, restarted when a source file changes.
 */

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scriptArguments } from "./arguments.ts";

scriptArguments({
  name: "dev",
  does: "Runs kapacitord from source on 127.0.0.1:9092 with temporary data; restarts it on change.",
  arguments: {},
});
const directory = mkdtempSync(join(tmpdir(), "kapacitor-dev-"));
const config = join(directory, "kapacitor.conf");
const at = (name: string): string => JSON.stringify(join(directory, name));
writeFileSync(
  config,
  `hostname = "127.0.0.1"
data_dir = ${at("data")}
[http]
  bind-address = "127.0.0.1:9092"
[cluster]
  bind-address = "127.0.0.1:9090"
[rpc]
  bind-address = "127.0.0.1:9091"
[storage]
  boltdb = ${at("kapacitor.db")}
[replay]
  dir = ${at("replay")}
[task]
  dir = ${at("tasks")}
[[influxdb]]
  enabled = false
[reporting]
  enabled = false
`,
);
console.error(`configuration: ${config}`);
const daemon = Bun.spawn(
  [process.execPath, "--watch", "src/main.ts", "kapacitord", "-config", config],
  { stdio: ["inherit", "inherit", "inherit"] },
);
process.on("SIGINT", () => daemon.kill("SIGTERM"));
process.exit(await daemon.exited);
