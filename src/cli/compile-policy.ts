/**
 * When the runtime compiles to machine code.
 *
 * The binary starts with a policy that hardly compiles anything (`JIT_POLICY` in scripts/build.ts), because what a
 * start runs once is not worth it: that was a third of a start's processor time. The same holds for joining a cluster, and
 * for a member with little to do. Whoever begins with the real work calls `compileAsUsual`; a daemon is watched.
 */

import { type Cancel, type Clock, every } from "#lib/clock.ts";

/** How much later than usual a daemon's code is compiled until it is busy. */
const IDLE_POLICY = 10;
/** How long the processor time of a daemon is looked at, ms … */
const LOOK_MS = 5_000;
/** … and what makes it a busy one, ms: joining thirty members takes 200, fifty alerts a second 550. */
const BUSY_MS = 300;

/** From now on code is compiled as soon as usual. */
export function compileAsUsual(): void {
  Bun.unsafe.setJITPolicy(1);
}

/** Compiles reluctantly until this process has once been busy for a few seconds, then as usual for good. */
export function compileWhenBusy(clock: Clock): Cancel {
  Bun.unsafe.setJITPolicy(IDLE_POLICY);
  let last = processorMs();
  const cancel = every(clock, LOOK_MS, () => {
    const now = processorMs();
    if (now - last >= BUSY_MS) {
      cancel();
      compileAsUsual();
    }
    last = now;
  });
  return cancel;
}

/** Of all threads since the process began. */
function processorMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}
