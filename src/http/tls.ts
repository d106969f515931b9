/**
 * TLS of the API: `[http]` and `[tls]` as the runtime's server wants them.
 *
 * Certificate and key are read and checked before anything listens, so that a wrong file is one clear line and not
 * a library's code. Cipher suites are named as in Go and passed on in OpenSSL's words; those of TLS 1.3 cannot be
 * chosen, there as here. Source: config §3.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { ConfigError } from "#config/config-error.ts";
import type { DaemonConfig } from "#config/daemon-config.ts";
import { errorMessage } from "#lib/errors.ts";

/** For `Bun.serve({ tls })`. Versions are TLS wire numbers: the runtime takes them, its types do not name them. */
export interface ServerTls {
  /** PEM with the chain. */
  readonly cert: string;
  /** PEM. */
  readonly key: string;
  /** OpenSSL names joined by colons; absent: the runtime's choice, which has no weak ones. */
  readonly ciphers?: string;
  readonly minVersion: number;
  readonly maxVersion: number;
}

const VERSIONS = ["1.0", "1.1", "1.2", "1.3"] as const;
const FIRST_VERSION = 0x0301;
const TLS_1_2 = 0x0303;
const TLS_1_3 = 0x0304;

/** Go's name → OpenSSL's, for what the runtime still speaks. */
const CIPHERS: Readonly<Record<string, string>> = {
  TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA: "ECDHE-ECDSA-AES128-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256: "ECDHE-ECDSA-AES128-GCM-SHA256",
  TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA: "ECDHE-ECDSA-AES256-SHA",
  TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384: "ECDHE-ECDSA-AES256-GCM-SHA384",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-ECDSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA: "ECDHE-RSA-AES128-SHA",
  TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256: "ECDHE-RSA-AES128-SHA256",
  TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256: "ECDHE-RSA-AES128-GCM-SHA256",
  TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA: "ECDHE-RSA-AES256-SHA",
  TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384: "ECDHE-RSA-AES256-GCM-SHA384",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256: "ECDHE-RSA-CHACHA20-POLY1305",
  TLS_RSA_WITH_3DES_EDE_CBC_SHA: "DES-CBC3-SHA",
  TLS_RSA_WITH_AES_128_CBC_SHA: "AES128-SHA",
  TLS_RSA_WITH_AES_128_GCM_SHA256: "AES128-GCM-SHA256",
  TLS_RSA_WITH_AES_256_CBC_SHA: "AES256-SHA",
  TLS_RSA_WITH_AES_256_GCM_SHA384: "AES256-GCM-SHA384",
};

const IS_TLS_1_3 = /^TLS_(AES|CHACHA20)_/;

/** Undefined when HTTPS is off. Throws `ConfigError` naming section, key and file. */
export function serverTls({
  http,
  tls,
}: Pick<DaemonConfig, "http" | "tls">): ServerTls | undefined {
  if (!http["https-enabled"]) return undefined;
  const certificate = http["https-certificate"];
  const privateKey = http["https-private-key"] || certificate;
  const cert = readPem("https-certificate", certificate);
  const key = privateKey === certificate ? cert : readPem("https-private-key", privateKey);
  checkPair({ cert, certificate, key, privateKey });
  return { cert, key, ...versionsAndCiphers(tls) };
}

function readPem(key: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw wrong(key, `cannot read ${path}: ${reasonOf(error)}`);
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "no such file or directory",
  EACCES: "permission denied",
  EISDIR: "is a directory",
};

function reasonOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return REASONS[code] ?? errorMessage(error);
}

interface Pair {
  readonly cert: string;
  /** Its file. */
  readonly certificate: string;
  readonly key: string;
  readonly privateKey: string;
}

function checkPair({ cert, certificate, key, privateKey }: Pair): void {
  let leaf: X509Certificate;
  try {
    leaf = new X509Certificate(cert);
  } catch {
    throw wrong("https-certificate", `${certificate} holds no certificate in PEM form`);
  }
  const keyName = privateKey === certificate ? "https-certificate" : "https-private-key";
  let secret: KeyObject;
  try {
    secret = createPrivateKey(key);
  } catch {
    throw wrong(keyName, `${privateKey} holds no unencrypted private key in PEM form`);
  }
  if (!leaf.checkPrivateKey(secret))
    throw wrong(
      keyName,
      `the private key in ${privateKey} does not belong to the certificate in ${certificate}`,
    );
}

function versionsAndCiphers(
  tls: DaemonConfig["tls"],
): Pick<ServerTls, "ciphers" | "minVersion" | "maxVersion"> {
  const ciphers = tls.ciphers
    .map((name) => name.toUpperCase())
    .filter((name) => !IS_TLS_1_3.test(name))
    .map(opensslCipher);
  // A list without any suite of older versions leaves only TLS 1.3 to talk.
  const only13 = tls.ciphers.length > 0 && ciphers.length === 0;
  const minVersion = only13 ? TLS_1_3 : versionOf(tls["min-version"], TLS_1_2);
  const maxVersion = versionOf(tls["max-version"], TLS_1_3);
  if (minVersion > maxVersion)
    throw new ConfigError(
      `section [tls]: min-version ${shown(minVersion)} is above max-version ${shown(maxVersion)}`,
      { section: "tls", key: "min-version" },
    );
  return {
    ...(ciphers.length === 0 ? {} : { ciphers: [...new Set(ciphers)].join(":") }),
    minVersion,
    maxVersion,
  };
}

function opensslCipher(name: string): string {
  const known = CIPHERS[name];
  if (known !== undefined) return known;
  throw new ConfigError(`section [tls], key ciphers: cipher suite ${name} is no longer supported`, {
    section: "tls",
    key: "ciphers",
  });
}

/** `1.2` or `tls1.2` as its wire number; the section has checked the form. */
function versionOf(text: string, fallback: number): number {
  const at = VERSIONS.findIndex((version) => text.endsWith(version));
  return at < 0 ? fallback : FIRST_VERSION + at;
}

function shown(version: number): string {
  return VERSIONS[version - FIRST_VERSION] ?? String(version);
}

function wrong(key: string, problem: string): ConfigError {
  return new ConfigError(`section [http], key ${key}: ${problem}`, { section: "http", key });
}
