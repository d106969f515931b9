/**
 * The files of `[rpc] tls-…`: read and checked before anything listens, so that a wrong one is one clear line.
 */

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RpcTls } from "#cluster/rpc/tls-sockets.ts";
import type { RpcTlsFiles } from "#config/cluster-settings.ts";
import { ConfigError } from "#config/config-error.ts";
import { systemErrorText } from "#config/find-file.ts";

/** Throws `ConfigError` naming section, key and file. */
export function readRpcTls({ ca, certificate, privateKey }: RpcTlsFiles): RpcTls {
  const files = {
    ca: readPem("tls-ca", ca),
    cert: readPem("tls-certificate", certificate),
    key: readPem("tls-private-key", privateKey),
  };
  certificateOf("tls-ca", ca, files.ca);
  const leaf = certificateOf("tls-certificate", certificate, files.cert);
  if (!leaf.checkPrivateKey(keyOf(privateKey, files.key))) {
    throw wrong(
      "tls-private-key",
      `the private key in ${privateKey} does not belong to the certificate in ${certificate}`,
    );
  }
  return files;
}

function readPem(key: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw wrong(key, systemErrorText(error, path));
  }
}

function certificateOf(key: string, path: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw wrong(key, `${path} holds no certificate in PEM form`);
  }
}

function keyOf(path: string, pem: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw wrong("tls-private-key", `${path} holds no unencrypted private key in PEM form`);
  }
}

function wrong(key: string, problem: string): ConfigError {
  return new ConfigError(`section [rpc], key ${key}: ${problem}`, { section: "rpc", key });
}
