/**
 * Seals by its length only: as many bytes as the real thing and none of its time, for runs about size in which nothing is
 * corrupted (simulation.md §12). The tag repeats the nonce, so that a packet is still bound to its counter.
 */

import type { Crypto } from "#cluster/swim/crypto.ts";
import { systemCrypto } from "#cluster/transport/crypto.ts";

const TAG_BYTES = 16;
const KEY = new Uint8Array(32);

export const fakeCrypto: Crypto = {
  sha256: systemCrypto.sha256,
  hkdf: () => KEY,
  seal(_key, nonce, _aad, plain) {
    const out = new Uint8Array(plain.length + TAG_BYTES);
    out.set(plain);
    out.set(nonce, plain.length);
    return out;
  },
  open(_key, nonce, _aad, sealed) {
    const end = sealed.length - TAG_BYTES;
    for (let i = 0; i < nonce.length; i++) if (sealed[end + i] !== nonce[i]) return undefined;
    return sealed.subarray(0, end);
  },
};
