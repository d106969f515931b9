/** The `ssl-*` options of a configuration section as clients want them. Not an entry of the registry. */

import type { TlsFiles } from "#clients/tls-files.ts";
import type { SectionReader } from "./section-reader.ts";

export function tlsFiles(section: SectionReader): TlsFiles {
  return {
    ca: section.text("ssl-ca"),
    cert: section.text("ssl-cert"),
    key: section.text("ssl-key"),
    insecureSkipVerify: section.flag("insecure-skip-verify"),
  };
}
