/** Where a packet came from and how to answer it: the datagram's source, or its connection. */

import type { GossipRecord } from "../messages/registry.ts";
import type { Address, MemberId } from "../ports.ts";
import type { Core } from "./core.ts";
import type { Link, Links } from "./links.ts";
import type { Entry } from "./table.ts";

export class Origin {
  readonly sender: MemberId;
  /** As known when the packet arrived. */
  readonly entry: Entry | undefined;
  readonly from: Address | undefined;
  readonly link: Link | undefined;
  readonly #core: Core;
  readonly #links: Links;

  constructor(
    core: Core,
    links: Links,
    sender: MemberId,
    from: Address | undefined,
    link: Link | undefined,
  ) {
    this.#core = core;
    this.#links = links;
    this.sender = sender;
    this.entry = core.table.get(sender);
    this.from = from;
    this.link = link;
  }

  /** Answers on the way the packet came, with news. A connection that is gone loses the answer. */
  reply(records: readonly GossipRecord[]): void {
    if (this.link !== undefined) this.#links.send(this.link, records, true);
    else if (this.from !== undefined) {
      const max = this.entry === undefined ? undefined : this.#core.packetMax(this.entry);
      this.#core.sendUdp(this.from, records, max);
    }
  }
}
