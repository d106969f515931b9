/**
 * Builds the one binary: dist/kapacitor, with kapacitord and kapacitorctl as links to it.
 *
 * Bytecode and source maps are in, minification is out (it breaks Elysia, which reads its handlers' source
 * text). What only some roles or handlers use are chunks of their own, and the functions that a start of the daemon
 * runs stand together (`start.order`), so that less of the file is read. No `.env` and no `bunfig.toml` of the
 * working directory is read at run time. The output is the same for the same sources.
 */

import { existsSync, rmSync, statSync, symlinkSync } from "node:fs";
import { scriptArguments } from "./arguments.ts";
import { ORDER_PATH, recordStart } from "./record-start.ts";

/** How much later than usual code is compiled until the program says otherwise (src/cli/compile-policy.ts). */
const JIT_POLICY = 50;

export interface BuildResult {
  readonly path: string;
  readonly bytes: number;
}

/** Compiles the binary into `dist/`; throws with the compiler's messages when it fails. */
export async function build(): Promise<BuildResult> {
  const { version } = (await Bun.file("package.json").json()) as { version: string };
  for (const map of new Bun.Glob("dist/*.map").scanSync()) rmSync(map);
  const result = await Bun.build({
    entrypoints: ["src/main.ts"],
    target: "bun",
    format: "esm",
    bytecode: true,
    sourcemap: "inline",
    splitting: true,
    define: {
      BUILD_VERSION: JSON.stringify(version),
      BUILD_COMMIT: JSON.stringify(commit()),
      BUILD_STANDALONE: "true",
      "process.env.NODE_ENV": '"production"',
    },
    compile: {
      outfile: "dist/kapacitor",
      bytecodeOrder: existsSync(ORDER_PATH) ? ORDER_PATH : false,
      jitPolicy: JIT_POLICY,
      autoloadDotenv: false,
      autoloadBunfig: false,
      autoloadTsconfig: false,
      autoloadPackageJson: false,
      execArgv: ["--max-http-header-size=1048576"],
    },
  });
  if (!result.success) throw new Error(result.logs.map(String).join("\n"));
  for (const link of ["dist/kapacitord", "dist/kapacitorctl"]) {
    if (existsSync(link)) rmSync(link);
    symlinkSync("kapacitor", link);
  }
  return { path: "dist/kapacitor", bytes: statSync("dist/kapacitor").size };
}

function commit(): string {
  const git = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { stderr: "ignore" });
  return git.success ? git.stdout.toString().trim() : "unknown";
}

if (import.meta.main) {
  const { flags } = scriptArguments({
    name: "build",
    does: "Builds dist/kapacitor.",
    arguments: { "--record": `finds out anew what a start runs (${ORDER_PATH}); builds twice` },
  });
  if (flags.has("--record")) await recordStart((await build()).path);
  const built = await build();
  console.log(`${built.path} ${(built.bytes / 1e6).toFixed(1)} MB`);
}
