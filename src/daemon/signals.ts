/**
 * What the operating system may ask of the daemon.
 *
 * TERM and INT stop it cleanly within a time limit; a second one, or the limit, stops it at once. HUP reloads
 * the cluster's keys and intervals from the configuration, sideload sources and the load directory, one reload at a
 * time: a HUP during a reload asks for one more.
 */

import type { Clock } from "#lib/clock.ts";
import { errorMessage } from "#lib/errors.ts";
import type { Log } from "#lib/log.ts";
import { STOP_TIME_MAX_MS } from "./limits.ts";

export type SignalName = "SIGTERM" | "SIGINT" | "SIGHUP";

/** Where signals come from: the process, or a test. */
export interface SignalSource {
  on(name: SignalName, listener: () => void): void;
  off(name: SignalName, listener: () => void): void;
}

export interface SignalActions {
  /** A clean stop; errors are logged and make the exit code 1. */
  stop(): Promise<void>;
  reload(): Promise<void>;
}

/**
 * Listens until the daemon is to end; resolves with the exit code. After a hard stop the caller ends the
 * process without waiting for anything. `ended` resolves when the daemon stops by itself.
 */
export function untilStopped(
  source: SignalSource,
  actions: SignalActions,
  services: { readonly clock: Clock; readonly log: Log; readonly ended: Promise<Error> },
): Promise<number> {
  const { clock, log } = services;
  return new Promise((resolve) => {
    let stopping = false;
    let reloading = false;
    let reloadAgain = false;

    const finish = (code: number): void => {
      source.off("SIGTERM", onStop);
      source.off("SIGINT", onStop);
      source.off("SIGHUP", onReload);
      resolve(code);
    };

    const stop = (code: number): void => {
      stopping = true;
      const cancel = clock.after(STOP_TIME_MAX_MS, () => {
        log.error("time limit reached, stopping hard");
        finish(code);
      });
      actions.stop().then(
        () => {
          cancel();
          log.info("server shutdown completed");
          finish(code);
        },
        (error) => {
          cancel();
          log.error("shutdown failed", { err: errorMessage(error) });
          finish(1);
        },
      );
    };

    const onStop = (): void => {
      if (stopping) {
        log.error("second signal received, stopping hard");
        finish(0);
        return;
      }
      log.info("signal received, stopping cleanly");
      stop(0);
    };

    const onReload = (): void => {
      if (stopping) return;
      if (reloading) {
        reloadAgain = true;
        return;
      }
      reloading = true;
      reloadAgain = false;
      log.info("reload signal received");
      actions
        .reload()
        .catch((error) => log.error("reload failed", { err: errorMessage(error) }))
        .finally(() => {
          reloading = false;
          if (reloadAgain) onReload();
        });
    };

    source.on("SIGTERM", onStop);
    source.on("SIGINT", onStop);
    source.on("SIGHUP", onReload);
    services.ended.then((error) => {
      if (stopping) return;
      log.error("the daemon cannot go on", { err: errorMessage(error) });
      stop(1);
    });
  });
}
