/**
 * When the runtime compiles to machine code.
 *
 * The binary starts with a policy that hardly compiles anything (`JIT_POLICY` in scripts/build.ts), because what a
 * start runs once is not worth it: that was a third of a start's processor time. The same holds for joining a cluster,
 * and for a daemon that does nothing but see to its peers: compiling was a fifth of what that costs. A program that begins
 * with its work calls `compileAsUsual`; a daemon's work is what its tasks are given, or whatever keeps it busy.
 */

import { type Cancel, type Clock, every } from "#lib/clock.ts";

/** How much later than usual a daemon's code is compiled until it has work. */
const IDLE_POLICY = 10;
/** So much work is enough, in writes of 4 KiB; … */
const WORK_UNITS = 100;
/** … starting a task is worth this many of them. */
const TASK_UNITS = 5;
const UNIT_BYTES = 4096;
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
  /** Units of work until it is as usual; 0 = it is. */
  #left = WORK_UNITS;
  #cancel: Cancel = () => {};

  /** A task is about to be started. */
  readonly taskStarting = (): void => {
    if (this.#left > 0) this.#work(TASK_UNITS);
  };

  /** Tasks were given data, bytes of line protocol. */
  readonly written = (bytes: number): void => {
    if (this.#left > 0) this.#work(1 + bytes / UNIT_BYTES);
  };

  /** The start is over: from now on being busy for a few seconds counts as work. */
  watch(clock: Clock): void {
    if (this.#left === 0) return;
    Bun.unsafe.setJITPolicy(IDLE_POLICY);
    let last = processorMs();
    this.#cancel = every(clock, LOOK_MS, () => {
      const now = processorMs();
      if (now - last >= BUSY_MS) this.#work(WORK_UNITS);
      last = now;
    });
  }

  close(): void {
    this.#cancel();
  }

  #work(units: number): void {
    this.#left = Math.max(0, this.#left - units);
    if (this.#left > 0) return;
    this.#cancel();
    compileAsUsual();
  }
}

/** Of all threads since the process began. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
