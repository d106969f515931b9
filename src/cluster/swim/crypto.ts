/**
 * Cryptography as the core needs it: synchronous, given from outside (`transport/crypto.ts` has the
 * real one), because a promise inside the core would make its order depend on the runtime.
 */

export interface Crypto {
  sha256(bytes: Uint8Array): Uint8Array;
  /** HKDF-SHA-256, RFC 5869. */
  hkdf(key: Uint8Array, salt: Uint8Array, info: Uint8Array, length: number): Uint8Array;
  /** AES-256-GCM: ciphertext and 16-byte tag. `nonce` has 12 bytes. */
  seal(key: Uint8Array, nonce: Uint8Array, aad: Uint8Array, plain: Uint8Array): Uint8Array;
  /** `undefined` when the tag is wrong. */
  open(
    key: Uint8Array,
    nonce: Uint8Array,
    aad: Uint8Array,
    sealed: Uint8Array,
  ): Uint8Array | undefined;
}

/** Bytes a seal adds. */
export const SEAL_BYTES = 16;
