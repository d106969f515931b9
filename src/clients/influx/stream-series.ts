/**
 * Runs a SELECT and hands over one complete series after the other.
 *
 * InfluxDB sends a large series in pieces, one after the other; they are packed until the next series begins. At
 * any time one series is held, the rest is still on its way: taking a series holds the answer back.
 */

import type { TakeSeries } from "#engine/outside-ports.ts";
import type { Pace } from "../pace.ts";
import type { InfluxClient } from "./client.ts";
import { ColumnSeries, type ColumnSpec } from "./column-series.ts";
import type { InfluxSeries } from "./result.ts";

/**
 * Rejects with `InfluxError`; the series that was not complete then is not handed over. `pace` keeps the event loop
 * turning.
 */
export async function streamSeries(
  client: Pick<InfluxClient, "queryStream">,
  text: string,
  take: TakeSeries,
  { pace, signal }: { readonly pace: Pace; readonly signal: AbortSignal },
): Promise<void> {
  let open: ColumnSeries | undefined;
  let openKey = "";
  await client.queryStream(
    text,
    async (piece) => {
      const key = JSON.stringify([piece.name, piece.tags]);
      if (open !== undefined && key !== openKey) {
        const complete = open;
        open = undefined;
        await take(complete);
      }
      openKey = key;
      open ??= new ColumnSeries(piece.name, piece.tags);
      open.addRows(columnsOf(piece), piece.columns.indexOf("time"), piece.values);
      await pace.step();
    },
    signal,
  );
  if (open !== undefined) await take(open);
}

/** Every column but the time; of two with one name the first counts. Numbers are floats, also whole ones. */
function columnsOf({ columns }: InfluxSeries): readonly (ColumnSpec | undefined)[] {
  return columns.map((name, i) =>
    name === "time" || columns.indexOf(name) !== i ? undefined : { name, numbers: "float" },
  );
}
