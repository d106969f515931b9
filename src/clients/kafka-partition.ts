/**
 * Which partition a Kafka message goes to: a hash of its key, equal to what other producers of the field choose.
 *
 * `crc32` is librdkafka's, `murmur2` the Java client's, `fnv-1a` Sarama's. Messages without a key, and those that
 * shall not be placed by key, go where this producer has put the fewest bytes.
 */

export type PartitionAlgorithm = "crc32" | "murmur2" | "murmur3" | "fnv-1a";

export const PARTITION_ALGORITHMS: readonly PartitionAlgorithm[] = [
  "crc32",
  "murmur2",
  "murmur3",
  "fnv-1a",
];

/** The Java client's seed. */
const MURMUR2_SEED = 0x9747b28c;

/** The index of a key's partition among `count` ones, which must be ≥ 1. */
export function partitionOf(
  algorithm: PartitionAlgorithm,
  key: Uint8Array<ArrayBuffer>,
  count: number,
): number {
  switch (algorithm) {
    case "crc32":
      return Bun.hash.crc32(key) % count;
    case "murmur2":
      return (Bun.hash.murmur32v2(key, MURMUR2_SEED) & 0x7fffffff) % count;
    case "murmur3":
      return (Bun.hash.murmur32v3(key, 0) & 0x7fffffff) % count;
    case "fnv-1a":
      return Math.abs((fnv1a(key) | 0) % count);
  }
}

function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}

/** Partitions of topics that are remembered; beyond it counting starts anew. */
const COUNTED_TOPICS_MAX = 1_000;

/** Spreads messages over the partitions of their topics, evenly by bytes. */
export class PartitionSpread {
  readonly #bytes = new Map<string, number[]>();

  /** The index with the fewest bytes so far among `count`; `size` bytes are added to it. */
  next(topic: string, count: number, size: number): number {
    let bytes = this.#bytes.get(topic);
    if (bytes === undefined || bytes.length !== count) {
      if (this.#bytes.size >= COUNTED_TOPICS_MAX) this.#bytes.clear();
      bytes = new Array<number>(count).fill(0);
      this.#bytes.set(topic, bytes);
    }
    const least = bytes.indexOf(Math.min(...bytes));
    bytes[least] = (bytes[least] ?? 0) + size;
    return least;
  }
}
