/**
 * Installs the real servers that tests talk to, from Debian's packages, when this user may.
 *
 * Nothing is started here: tests start their own instances on free ports and stop them by pid.
 */

const PACKAGES: Readonly<Record<string, string>> = {
  faketime: "faketime",
  influxd: "influxdb",
  ip: "iproute2",
  mosquitto: "mosquitto",
  nft: "nftables",
  openssl: "openssl",
};

/** Installs what is missing; returns one line per server that is not there and why. */
export function installServers(): readonly string[] {
  const missing = Object.keys(PACKAGES).filter((program) => Bun.which(program) === null);
  if (missing.length === 0) return [];
  const names = missing.map((program) => PACKAGES[program] ?? program);
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) {
    return missing.map(
      (program) => `skip  ${program} is not installed, and only root may: apt-get install`,
    );
  }
  const quiet = { stdout: "ignore", stderr: "pipe", stdin: "ignore" } as const;
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  Bun.spawnSync(["apt-get", "update", "-q"], { ...quiet, env });
  const install = Bun.spawnSync(
    ["apt-get", "install", "-qy", "--no-install-recommends", ...names],
    { ...quiet, env },
  );
  const absent = missing.filter((program) => Bun.which(program) === null);
  return absent.map(
    (program) => `skip  ${program}: ${install.stderr.toString().trim().split("\n").at(-1)}`,
  );
}
