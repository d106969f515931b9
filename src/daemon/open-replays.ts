/**
 * Opens recordings and replays, and makes the engines in which replays run.
 *
 * A replay's engine shares everything with the main one but its tasks, its series and its name, which stands before
 * its anonymous topics. Its log lines and errors are its own; a task that dies there is no task's failure.
 */

import { InProcessEngine } from "#engine/engine-host.ts";
import type { EngineServices } from "#engine/ports.ts";
import type { TaskMasterOptions } from "#engine/task-master.ts";
import type { Closers } from "#lib/closers.ts";
import type { Log } from "#lib/log.ts";
import { SeriesTable } from "#model/series-table.ts";
import type { TaskServices } from "#tasks/ports.ts";
import type { RawQueries } from "#tasks/record-query.ts";
import { RecordingService } from "#tasks/recording-service.ts";
import { ReplayService } from "#tasks/replay-service.ts";
import type { TaskService } from "#tasks/task-service.ts";

export interface ReplayParts {
  /** The `[replay]` directory. */
  readonly dir: string;
  readonly log: Log;
  readonly tasks: TaskService;
  readonly taskServices: TaskServices;
  readonly engine: InProcessEngine;
  readonly engineServices: Omit<EngineServices, "taskFailed">;
  readonly engineOptions: Pick<TaskMasterOptions, "environment" | "specs">;
  readonly rawQueries: RawQueries;
}

/** Rejects when the directory cannot be made or read. */
export async function openReplays(parts: ReplayParts, closers: Closers) {
  const { dir, tasks, engine, engineServices, rawQueries } = parts;
  const { store, language, clock, random } = parts.taskServices;
  const log = parts.log.with({ service: "replay" });
  const shared = { store, language, clock, random, log, tasks };
  const { queries } = engineServices;
  const recordings = new RecordingService({ ...shared, points: engine, queries, rawQueries }, dir);
  const replays = new ReplayService({
    ...shared,
    recordings,
    endpoints: () => engine.endpoints(),
    replayEngine: (name, taskFailed) =>
      new InProcessEngine(
        {
          ...engineServices,
          log: parts.log.with({ service: "kapacitor", task_master: name }),
          taskFailed,
        },
        new SeriesTable({ seed: random.u32() }),
        { ...parts.engineOptions, name, takesBatches: true },
      ),
  });
  await recordings.open();
  await replays.open();
  closers.push(() => recordings.close());
  closers.push(() => replays.close());
  return { recordings, replays };
}
