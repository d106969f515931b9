/**
 * Floats as Go prints them: `%e`, `%f`, `%g` with and without precision, and the shortest form.
 *
 * Digits come from exact integer arithmetic (mantissa × 2^exponent as a bigint), rounded half to even,
 * because `toFixed` rounds ties up and gives up at 1e21. The shortest form starts from JavaScript's own
 * shortest digits, which are the same.
 */

/** A finite decimal ≥ 0 in scientific form: d.ddd × 10^exponent. Zero has the digits "0". */
interface Decimal {
  readonly digits: string;
  readonly exponent: number;
}

/** The absolute value in the given form; `value` is finite, the sign the caller's. `precision` undefined = shortest. */
export function formatFloat(
  value: number,
  verb: "e" | "f" | "g",
  precision: number | undefined,
): string {
  const x = Math.abs(value);
  switch (verb) {
    case "e":
      return scientific(precision === undefined ? shortest(x) : rounded(x, precision + 1));
    case "f":
      return precision === undefined ? plain(shortest(x)) : fixed(x, precision);
    case "g":
      return general(x, precision);
  }
}

/** Go's `%v` of a float64, infinities and NaN included. */
export function displayFloat(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  return sign + formatFloat(value, "g", undefined);
}

/** An exponent below 1e-4 and from 10^precision up; in the shortest form from 1e+06. */
function general(x: number, precision: number | undefined): string {
  const wanted = precision === undefined ? undefined : Math.max(precision, 1);
  const d = wanted === undefined ? shortest(x) : rounded(x, wanted);
  const trimmed = { digits: d.digits.replace(/(?<=.)0+$/, ""), exponent: d.exponent };
  const limit = wanted ?? SHORTEST_EXPONENT;
  return d.exponent < -4 || d.exponent >= limit ? scientific(trimmed) : plain(trimmed);
}

/** The shortest form of a float turns to an exponent from 1e+06 on. */
const SHORTEST_EXPONENT = 6;

function scientific(d: Decimal): string {
  const fraction = d.digits.length > 1 ? `.${d.digits.slice(1)}` : "";
  const power = String(Math.abs(d.exponent)).padStart(2, "0");
  return `${d.digits.slice(0, 1)}${fraction}e${d.exponent < 0 ? "-" : "+"}${power}`;
}

function plain(d: Decimal): string {
  if (d.exponent < 0) return `0.${"0".repeat(-d.exponent - 1)}${d.digits}`;
  const whole = d.digits.slice(0, d.exponent + 1).padEnd(d.exponent + 1, "0");
  const fraction = d.digits.slice(d.exponent + 1);
  return fraction === "" ? whole : `${whole}.${fraction}`;
}

function shortest(x: number): Decimal {
  if (x === 0) return { digits: "0", exponent: 0 };
  const [mantissa = "", exponent = "0"] = x.toExponential().split("e");
  return { digits: mantissa.replace(".", ""), exponent: Number(exponent) };
}

function rounded(x: number, count: number): Decimal {
  if (x === 0) return { digits: "0".repeat(count), exponent: 0 };
  const guess = shortest(x).exponent;
  const digits = String(scaled(x, count - 1 - guess));
  // Rounding 9.99… up gains a digit.
  return digits.length > count
    ? { digits: digits.slice(0, count), exponent: guess + 1 }
    : { digits, exponent: guess };
}

function fixed(x: number, decimals: number): string {
  const digits = String(scaled(x, decimals)).padStart(decimals + 1, "0");
  if (decimals === 0) return digits;
  return `${digits.slice(0, -decimals)}.${digits.slice(-decimals)}`;
}

/** x × 10^power, exactly computed, rounded half to even. */
function scaled(x: number, power: number): bigint {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const bits = view.getBigUint64(0);
  const biased = Number((bits >> 52n) & 0x7ffn);
  const fraction = bits & 0xfffffffffffffn;
  const mantissa = biased === 0 ? fraction : fraction | 0x10000000000000n;
  const exponent = (biased === 0 ? 1 : biased) - 1075;
  let top = mantissa;
  let bottom = 1n;
  if (power >= 0) top *= 10n ** BigInt(power);
  else bottom *= 10n ** BigInt(-power);
  if (exponent >= 0) top <<= BigInt(exponent);
  else bottom <<= BigInt(-exponent);
  const whole = top / bottom;
  const twice = (top % bottom) * 2n;
  return twice > bottom || (twice === bottom && whole % 2n === 1n) ? whole + 1n : whole;
}
