/**
 * When the runtime compiles to machine code.
 *
 * The binary starts with a policy that hardly compiles anything (`JIT_POLICY` in scripts/build.ts), because what a
 * start runs once is not worth it: that was a third of a start's processor time. The same holds for joining a cluster.
 * A program that begins with its work calls `compileAsUsual`; a daemon's work are its tasks, or whatever keeps it busy.
 */

import { type Cancel, type Clock, every } from "#lib/clock.ts";

/** How much later than usual a daemon's code is compiled until it has work. */
const IDLE_POLICY = 10;
/** How long the processor time of a daemon is looked at, ms … */
const LOOK_MS = 5_000;
/** … and what makes it a busy one, ms: joining thirty members takes 200. */
const BUSY_MS = 300;

/** From now on code is compiled as soon as usual. */
export function compileAsUsual(): void {
  Bun.unsafe.setJITPolicy(1);
}

/** A daemon compiles reluctantly until it has work, then as usual for good. */
export class CompilePolicy {
  #hasWork = false;
  #cancel: Cancel = () => {};

  /** There is work. */
  readonly working = (): void => {
    if (this.#hasWork) return;
    this.#hasWork = true;
    this.#cancel();
    compileAsUsual();
  };

  /** The start is over: from now on being busy for a few seconds counts as work. */
  watch(clock: Clock): void {
    if (this.#hasWork) return;
    Bun.unsafe.setJITPolicy(IDLE_POLICY);
    let last = processorMs();
    this.#cancel = every(clock, LOOK_MS, () => {
      const now = processorMs();
      if (now - last >= BUSY_MS) this.working();
      last = now;
    });
  }

  close(): void {
    this.#cancel();
  }
}

/** Of all threads since the process began. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
