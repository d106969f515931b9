/**
 * TLS options of a handler's configuration section (`ssl-ca`, `ssl-cert`, `ssl-key`, `insecure-skip-verify`) as
 * the runtime wants them. Files are named, not read: the runtime reads them when it connects.
 */

import type { SectionReader } from "./section-reader.ts";

export interface TlsSettings {
  readonly ca?: ReturnType<typeof Bun.file>;
  readonly cert?: ReturnType<typeof Bun.file>;
  readonly key?: ReturnType<typeof Bun.file>;
  readonly rejectUnauthorized?: boolean;
}

/** `undefined` when nothing differs from the runtime's own settings. */
export function tlsSettings(section: SectionReader): TlsSettings | undefined {
  const files = {
    ca: section.text("ssl-ca"),
    cert: section.text("ssl-cert"),
    key: section.text("ssl-key"),
  };
  const settings: TlsSettings = {
    ...(files.ca === "" ? {} : { ca: Bun.file(files.ca) }),
    ...(files.cert === "" ? {} : { cert: Bun.file(files.cert) }),
    ...(files.key === "" ? {} : { key: Bun.file(files.key) }),
    ...(section.flag("insecure-skip-verify") ? { rejectUnauthorized: false } : {}),
  };
  return Object.keys(settings).length === 0 ? undefined : settings;
}

export const NO_VERIFICATION: TlsSettings = { rejectUnauthorized: false };
