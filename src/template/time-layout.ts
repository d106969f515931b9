/**
 * Formats a UTC time by Go's example layout (`2006-01-02T15:04:05Z07:00`).
 */

import type { GoTime } from "./values.ts";

export const MONTHS = [
  ...["January", "February", "March", "April", "May", "June", "July"],
  ...["August", "September", "October", "November", "December"],
] as const;

export const WEEKDAYS = [
  ...["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"],
] as const;

/** The words a layout may hold; everything else is copied. */
const PIECES =
  /January|Jan|Monday|Mon(?![a-z])|MST|2006|-07:00:00|-07:00|-0700|-07|Z07:00:00|Z07:00|Z0700|Z070000|Z07|__2|002|_2006|_2|01|02|03|04|05|06|15|PM|pm|[.,]0+(?!\d)|[.,]9+(?!\d)|1|2|3|4|5/g;

const two = (n: number): string => String(n).padStart(2, "0");

/** Source: package time, "Layout" constants. */
export function formatLayout(time: GoTime, layout: string): string {
  const d = new Date(time.ms);
  const month = d.getUTCMonth();
  const day = d.getUTCDate();
  const hour = d.getUTCHours();
  const nanos = (((time.ms % 1000) + 1000) % 1000) * 1_000_000 + time.ns;
  const yearDay = Math.floor((time.ms - Date.UTC(d.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
  const year = String(d.getUTCFullYear()).padStart(4, "0");
  const words: Readonly<Record<string, string>> = {
    January: MONTHS[month] ?? "",
    Jan: (MONTHS[month] ?? "").slice(0, 3),
    Monday: WEEKDAYS[d.getUTCDay()] ?? "",
    Mon: (WEEKDAYS[d.getUTCDay()] ?? "").slice(0, 3),
    MST: "UTC",
    "2006": year,
    _2006: `_${year}`,
    "06": year.slice(-2),
    "01": two(month + 1),
    "1": String(month + 1),
    "02": two(day),
    _2: String(day).padStart(2, " "),
    "2": String(day),
    "002": String(yearDay).padStart(3, "0"),
    __2: String(yearDay).padStart(3, " "),
    "15": two(hour),
    "03": two(hour % 12 === 0 ? 12 : hour % 12),
    "3": String(hour % 12 === 0 ? 12 : hour % 12),
    "04": two(d.getUTCMinutes()),
    "4": String(d.getUTCMinutes()),
    "05": two(d.getUTCSeconds()),
    "5": String(d.getUTCSeconds()),
    PM: hour >= 12 ? "PM" : "AM",
    pm: hour >= 12 ? "pm" : "am",
  };
  return layout.replace(PIECES, (piece) => words[piece] ?? zoneOrFraction(piece, nanos));
}

function zoneOrFraction(piece: string, nanos: number): string {
  if (piece.startsWith("Z")) return "Z";
  if (piece.startsWith("-")) return piece.replace("-", "+").replaceAll("7", "0");
  const digits = String(nanos)
    .padStart(9, "0")
    .slice(0, piece.length - 1);
  const fraction = digits.padEnd(piece.length - 1, "0");
  if (piece.charAt(1) === "0") return piece.charAt(0) + fraction;
  const trimmed = fraction.replace(/0+$/, "");
  return trimmed === "" ? "" : piece.charAt(0) + trimmed;
}
