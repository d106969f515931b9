/**
 * Series of query results as lines of a batch recording: one JSON object each.
 *
 * `{"name","tmax","group","byname","tags","points":[{"fields","tags","time"}]}`; keys are absent when empty, maps are
 * sorted. Source: reference storage-and-influx.md §9.1.
 */

import type { ResultSeries } from "#engine/outside-ports.ts";
import { encodeJson, sorted } from "#lib/json.ts";
import { formatTime, type Time } from "#lib/time.ts";
import { groupIdOf } from "#model/group.ts";
import { makeSeries } from "#model/series.ts";

/** One line with its line feed. */
export function batchLine(
  series: ResultSeries,
  { byName, tmax }: { readonly byName: boolean; readonly tmax: Time },
): string {
  const { name, tags } = series;
  const ordered = sorted(tags);
  const tagNames = Object.keys(ordered);
  const group = groupIdOf(name, { byName, tagNames }, Object.values(ordered));
  const shownTags = tagNames.length === 0 ? undefined : ordered;
  const cursor = series.points(makeSeries("", "", name, tags));
  const points: unknown[] = [];
  for (let point = cursor.next(); point !== undefined; point = cursor.next()) {
    const { timeMs, timeNs } = point;
    points.push({
      fields: sorted(point.fields()),
      tags: shownTags,
      time: formatTime(timeMs, timeNs),
    });
  }
  const line = encodeJson({
    name: name === "" ? undefined : name,
    tmax: formatTime(tmax.ms, tmax.ns),
    group: group === "" ? undefined : group,
    byname: byName ? true : undefined,
    tags: shownTags,
    points: points.length === 0 ? undefined : points,
  });
  return `${line}\n`;
}
