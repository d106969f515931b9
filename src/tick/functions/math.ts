/**
 * Mathematics on floats. The built-in functions serve where they agree with C's; `pow` differs at ones and
 * infinities, and what the platform lacks is in `special.ts` and `bessel.ts`.
 */

import type { Int64 } from "#lib/int64.ts";
import { besselJ0, besselJ1, besselJn, besselYn } from "./bessel.ts";
import { type Example, type FunctionSpec, signature } from "./spec.ts";
import { erf, erfc, gamma } from "./special.ts";

export const mathFunctions: readonly FunctionSpec[] = [
  unary("abs", Math.abs, "Absolute value.", "abs(-1.5)", "1.5"),
  unary("acos", Math.acos, "Arc cosine in radians.", "acos(1.0)", "0"),
  unary("acosh", Math.acosh, "Inverse hyperbolic cosine.", "acosh(1.0)", "0"),
  unary("asin", Math.asin, "Arc sine in radians.", "asin(0.0)", "0"),
  unary("asinh", Math.asinh, "Inverse hyperbolic sine.", "asinh(0.0)", "0"),
  unary("atan", Math.atan, "Arc tangent in radians.", "atan(0.0)", "0"),
  unary("atanh", Math.atanh, "Inverse hyperbolic tangent.", "atanh(0.0)", "0"),
  unary("cbrt", Math.cbrt, "Cube root.", "cbrt(27.0)", "3"),
  unary("ceil", Math.ceil, "Smallest whole number not below.", "ceil(1.2)", "2"),
  unary("cos", Math.cos, "Cosine of radians.", "cos(0.0)", "1"),
  unary("cosh", Math.cosh, "Hyperbolic cosine.", "cosh(0.0)", "1"),
  unary("erf", erf, "Error function.", "erf(0.0)", "0"),
  unary("erfc", erfc, "Complementary error function.", "erfc(0.0)", "1"),
  unary("exp", Math.exp, "e to the power of x.", "exp(0.0)", "1"),
  unary("exp2", (x) => 2 ** x, "2 to the power of x.", "exp2(3.0)", "8"),
  unary("expm1", Math.expm1, "exp(x) − 1, exact near 0.", "expm1(0.0)", "0"),
  unary("floor", Math.floor, "Largest whole number not above.", "floor(1.8)", "1"),
  unary("gamma", gamma, "Gamma function.", "gamma(5.0)", "24"),
  unary("j0", besselJ0, "Bessel function, first kind, order 0.", "j0(0.0)", "1"),
  unary("j1", besselJ1, "Bessel function, first kind, order 1.", "j1(0.0)", "0"),
  unary("log", Math.log, "Natural logarithm.", "log(1.0)", "0"),
  unary("log10", Math.log10, "Decimal logarithm.", "log10(100.0)", "2"),
  unary("log1p", Math.log1p, "log(1 + x), exact near 0.", "log1p(0.0)", "0"),
  unary("log2", Math.log2, "Binary logarithm.", "log2(8.0)", "3"),
  unary("logb", binaryExponent, "Binary exponent.", "logb(10.0)", "3"),
  unary("sin", Math.sin, "Sine of radians.", "sin(0.0)", "0"),
  unary("sinh", Math.sinh, "Hyperbolic sine.", "sinh(0.0)", "0"),
  unary("sqrt", Math.sqrt, "Square root.", "sqrt(9.0)", "3"),
  unary("tan", Math.tan, "Tangent of radians.", "tan(0.0)", "0"),
  unary("tanh", Math.tanh, "Hyperbolic tangent.", "tanh(0.0)", "0"),
  unary("trunc", Math.trunc, "Drops the fraction.", "trunc(-1.8)", "-1"),
  unary("y0", (x) => besselYn(0, x), "Bessel function, second kind, order 0.", "y0(0.0)", "-Inf"),
  unary("y1", (x) => besselYn(1, x), "Bessel function, second kind, order 1.", "y1(0.0)", "-Inf"),
  binary("atan2", Math.atan2, "Angle of the point (x, y), given y and x.", "atan2(0.0, 1.0)", "0"),
  binary("hypot", Math.hypot, "√(x² + y²) without overflow.", "hypot(3.0, 4.0)", "5"),
  binary("max", Math.max, "The larger; NaN when one is NaN.", "max(1.0, 2.0)", "2"),
  binary("min", Math.min, "The smaller; NaN when one is NaN.", "min(1.0, 2.0)", "1"),
  binary("mod", (x, y) => x % y, "Remainder with the sign of x.", "mod(-7.0, 4.0)", "-3"),
  binary("pow", power, "x to the power of y.", "pow(2.0, 10.0)", "1024"),
  {
    name: "pow10",
    doc: "10 to the power of n.",
    examples: [{ expression: "pow10(2)", result: "100" }],
    mayFail: false,
    pure: true,
    signatures: [signature(["int"], "float", powerOfTen)],
  },
  ofOrder("jn", besselJn, "first", { expression: "jn(1, 2.0)", result: "0.5767248077568733" }),
  ofOrder("yn", besselYn, "second", { expression: "yn(0, 0.0)", result: "-Inf" }),
];

function unary(
  name: string,
  call: (x: number) => number,
  doc: string,
  expression: string,
  result: string,
): FunctionSpec {
  const signatures = [signature(["float"], "float", call)];
  const examples = [{ expression, result }];
  return { name, doc, examples, signatures, mayFail: false, pure: true };
}

function binary(
  name: string,
  call: (x: number, y: number) => number,
  doc: string,
  expression: string,
  result: string,
): FunctionSpec {
  const signatures = [signature(["float", "float"], "float", call)];
  const examples = [{ expression, result }];
  return { name, doc, examples, signatures, mayFail: false, pure: true };
}

function ofOrder(
  name: string,
  call: (order: number, x: number) => number,
  kind: string,
  example: Example,
): FunctionSpec {
  const signatures = [signature(["int", "float"], "float", (order, x) => call(Number(order), x))];
  const doc = `Bessel function, ${kind} kind, order n (at most 1,000,000 either way).`;
  return { name, doc, examples: [example], signatures, mayFail: true, pure: true };
}

/** C's pow: 1 to any power and any power of 0 are 1, also with NaN; −1 to an infinite power is 1. */
function power(x: number, y: number): number {
  if (x === 1) return 1;
  if (x === -1 && (y === Number.POSITIVE_INFINITY || y === Number.NEGATIVE_INFINITY)) return 1;
  return x ** y;
}

function powerOfTen(n: Int64): number {
  return n < -323 ? 0 : n > 308 ? Number.POSITIVE_INFINITY : Number(`1e${n}`);
}

/** The exponent of x = m·2^e with 1 ≤ m < 2. */
function binaryExponent(x: number): number {
  if (x === 0) return Number.NEGATIVE_INFINITY;
  if (!Number.isFinite(x)) return Number.isNaN(x) ? x : Number.POSITIVE_INFINITY;
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, x);
  const exponent = (view.getUint16(0) >>> 4) & 0x7ff;
  return exponent === 0 ? binaryExponent(x * 2 ** 54) - 54 : exponent - 1023;
}
