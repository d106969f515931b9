/** Certificates for tests of mutual TLS, made by openssl once per run. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RpcTls } from "#cluster/rpc/tls-sockets.ts";

/** An authority of its own, in a directory that `remove` deletes. */
export class Authority {
  readonly directory = mkdtempSync(join(tmpdir(), "kapacitor-ca-"));

  constructor(name = "cluster") {
    const made = ["-keyout", "ca.key", "-out", "ca.pem"];
    this.#openssl(...["req", "-x509", ...NEW_KEY, ...made, "-days", "30", "-subj", `/CN=${name}`]);
  }

  /** A certificate for these names, like `DNS:localhost` or `IP:127.0.0.1`. */
  issue(name: string, subjects: readonly string[]): RpcTls {
    writeFileSync(this.path(`${name}.ext`), `subjectAltName=${subjects.join(",")}\n`);
    const request = ["-keyout", `${name}.key`, "-out", `${name}.csr`];
    this.#openssl(...["req", ...NEW_KEY, ...request, "-subj", `/CN=${name}`]);
    const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"];
    const files = ["-in", `${name}.csr`, "-out", `${name}.pem`, "-extfile", `${name}.ext`];
    this.#openssl(...["x509", "-req", ...files, ...by, "-days", "30"]);
    const read = (file: string): string => readFileSync(this.path(file), "utf8");
    return { ca: read("ca.pem"), cert: read(`${name}.pem`), key: read(`${name}.key`) };
  }

  path(file: string): string {
    return join(this.directory, file);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }

  #openssl(...words: readonly string[]): void {
    const run = Bun.spawnSync(["openssl", ...words], { cwd: this.directory, stdin: "ignore" });
    if (!run.success) throw new Error(`openssl ${words[0]}: ${run.stderr.toString()}`);
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
