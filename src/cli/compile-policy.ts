/**
 * When the runtime compiles to machine code.
 *
 * The binary starts with a policy that hardly compiles anything (`JIT_POLICY` in scripts/build.ts), because what a
 * start runs once is not worth it: that was a third of a start's processor time. Whoever begins with the real
 * work calls this.
 */

/** From now on code is compiled as soon as usual. Of sources it always is. */
export function compileAsUsual(): void {
  Bun.unsafe.setJITPolicy(1);
}
