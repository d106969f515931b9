/** Which key is it? Tells keys apart in check-ups without telling them. */

import { createHash } from "node:crypto";

/** Eight hexadecimal digits of a hash over the key. */
export function keyFingerprint(key: Uint8Array): string {
  return createHash("sha256").update("key fingerprint").update(key).digest("hex").slice(0, 8);
}
