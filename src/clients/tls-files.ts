/** Reads the PEM files that TLS settings name, for libraries that want their contents. */

import { errorMessage } from "#lib/errors.ts";
import { refusal } from "./send-error.ts";

export interface TlsFiles {
  /** Paths; empty = none. */
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** Accept any certificate of the server. */
  readonly insecureSkipVerify: boolean;
}

export interface TlsContents {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
}

/** PEM files, bytes. */
const PEM_BYTES_MAX = 1_048_576;

/** Throws a refusal when a file cannot be read. */
export async function readTlsFiles(files: TlsFiles): Promise<TlsContents> {
  const contents: { ca?: string; cert?: string; key?: string } = {};
  for (const name of ["ca", "cert", "key"] as const) {
    if (files[name] !== "") contents[name] = await readPem(files[name]);
  }
  return { ...contents, rejectUnauthorized: !files.insecureSkipVerify };
}

async function readPem(path: string): Promise<string> {
  const file = Bun.file(path);
  if (file.size > PEM_BYTES_MAX) throw refusal(`TLS file ${path} is too large`);
  try {
    return await file.text();
  } catch (error) {
    throw refusal(`cannot read TLS file ${path}: ${errorMessage(error)}`, error);
  }
}
