/**
 * One daemon from open to close.
 *
 * Opening wires everything; a failure unwinds what was opened and rejects with one line. Subscriptions are
 * linked in the background, because an InfluxDB that is down must not keep the API from answering.
 */

import { Closers } from "#lib/closers.ts";
import { errorMessage } from "#lib/errors.ts";
import { reloadConfig } from "./reload-config.ts";
import type { RunDaemon } from "./run-options.ts";
import { wire } from "./wire.ts";

export const runDaemon: RunDaemon = async (config, options) => {
  const closers = new Closers();
  const log = options.logWriter.log;
  try {
    const { cluster, subscriptions, load, sideloads } = await wire(config, options, closers);
    const ended = Promise.withResolvers<Error>();
    subscriptions.start().catch((error: unknown) => {
      log.with({ service: "influxdb" }).error("failed to link subscriptions", {
        err: errorMessage(error),
      });
    });
    await load?.run();
    return {
      async reload() {
        reloadConfig(config, { reread: options.reread, cluster, log });
        try {
          sideloads.reload();
        } catch (error) {
          log.error("failed to reload sideload sources", { err: errorMessage(error) });
        }
        await load?.run();
      },
      close: () => closers.close(),
      ended: ended.promise,
    };
  } catch (error) {
    await closers.close().catch(() => {});
    throw error;
  }
};
