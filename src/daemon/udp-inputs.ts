/**
 * The `[[udp]]` listeners: datagrams of line protocol go straight into the engine.
 *
 * A listener that cannot be opened ends the start, since points would be lost without anybody knowing. Closing
 * hands on what waits. Source: config.md §6.
 */

import type { UdpConfig } from "#config/sections/inputs.ts";
import type { WriteChunk, WriteOutcome } from "#engine/ports.ts";
import type { Statistic } from "#http/services.ts";
import { UdpListener } from "#ingest/udp.ts";
import type { Closers } from "#lib/closers.ts";
import type { Log } from "#lib/log.ts";

export interface UdpInputParts {
  readonly write: (chunk: WriteChunk) => Promise<WriteOutcome>;
  /** Used where an element names none. */
  readonly defaultRetentionPolicy: string;
  readonly log: Log;
}

export interface UdpInputs {
  /** One for each listener: `udp` with the tag `bind`. */
  statistics(): readonly Statistic[];
}

/** Opens the enabled ones. Throws `Error` naming the address when one cannot be bound. */
export async function openUdpInputs(
  sections: readonly UdpConfig[],
  { write, defaultRetentionPolicy, log }: UdpInputParts,
  closers: Closers,
): Promise<UdpInputs> {
  const open: { readonly bind: string; readonly listener: UdpListener }[] = [];
  for (const section of sections) {
    if (!section.enabled) continue;
    const listener = new UdpListener({
      bind: section["bind-address"],
      db: section.database,
      rp: section["retention-policy"] || defaultRetentionPolicy,
      buffer: section.buffer,
      readBuffer: section["read-buffer"],
      write,
      log,
    });
    const port = await listener.open();
    closers.push(() => listener.close());
    log.info("listening on", { addr: section["bind-address"], port, protocol: "udp" });
    open.push({ bind: section["bind-address"], listener });
  }
  return {
    statistics: () =>
      open.map(({ bind, listener }) => ({
        name: "udp",
        tags: { bind },
        values: { ...listener.counters },
      })),
  };
}
