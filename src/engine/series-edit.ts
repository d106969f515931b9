/**
 * Series with changed tags, and series of group-level output.
 *
 * A changed tag set is a new series; nodes remember it per input series (`SeriesMemo`), so points of one
 * series keep sharing one object also below nodes that change tags.
 */

import type { Group } from "#model/group.ts";
import { makeSeries, Series } from "#model/series.ts";

/** The series with tags set (a value "" removes the tag). Not interned. */
export function withTags(series: Series, tags: Readonly<Record<string, string>>): Series {
  return makeSeries(series.db, series.rp, series.name, { ...series.tags(), ...tags });
}

/** The series without some tags. Not interned. */
export function withoutTags(series: Series, keys: readonly string[]): Series {
  const keep = series.tagKeys.map((key, i) => [key, series.tagValues[i] as string] as const);
  const left = keep.filter(([key]) => !keys.includes(key));
  return new Series(
    series.db,
    series.rp,
    series.name,
    left.map(([key]) => key),
    left.map(([, value]) => value),
  );
}

/** The series of a group's own output under a measurement name. Shared when it is the group's name. */
export function groupSeries(group: Group, name: string): Series {
  if (group.name === name) return group.series;
  const { tagKeys, tagValues } = group.series;
  return new Series("", "", name, tagKeys, tagValues);
}
