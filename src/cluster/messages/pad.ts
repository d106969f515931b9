/** PAD: fills a probe to the largest packet, to learn whether large packets pass (gossip.md §12). */

import { defineMessage } from "./message.ts";

export interface Pad {
  readonly kind: "pad";
  /** Zero bytes carried. */
  readonly size: number;
}

export const pad = defineMessage<Pad>({
  number: 13,
  kind: "pad",
  encode(to, record) {
    to.raw(new Uint8Array(record.size));
  },
  decode(from) {
    const size = from.left;
    from.raw(size);
    return { kind: "pad", size };
  },
});
