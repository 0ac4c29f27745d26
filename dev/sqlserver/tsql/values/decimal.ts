/** Exact decimal numbers as unscaled bigint with a scale: text, rounding, range. */

/** 10^n. */
export const pow10 = (n: number): bigint => 10n ** BigInt(n);

/** Changes the scale, rounding half away from zero as SQL Server does. */
export function rescale(unscaled: bigint, from: number, to: number): bigint {
  if (to >= from) return unscaled * pow10(to - from);
  return divideRounded(unscaled, pow10(from - to));
}

/** a / b rounded half away from zero. */
export function divideRounded(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  const rest = a % b;
  const double = (rest < 0n ? -rest : rest) * 2n;
  const size = b < 0n ? -b : b;
  if (double < size) return quotient;
  return a < 0n === b < 0n ? quotient + 1n : quotient - 1n;
}

/** 150n with scale 2 → '1.50'. */
export function decimalText(unscaled: bigint, scale: number): string {
  const negative = unscaled < 0n;
  const digits = String(negative ? -unscaled : unscaled).padStart(scale + 1, '0');
  const text = scale === 0 ? digits : `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return negative ? `-${text}` : text;
}

/** '1.50' → { unscaled: 150n, scale: 2 }, or undefined when the text is no plain number. */
export function decimalParse(text: string): { unscaled: bigint; scale: number } | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?$/.exec(text);
  if (match === null) return undefined;
  const whole = match[2] ?? '';
  const fraction = match[3] ?? '';
  if (whole === '' && fraction === '') return undefined;
  const unscaled = BigInt(whole + fraction);
  return { unscaled: match[1] === '-' ? -unscaled : unscaled, scale: fraction.length };
}

/** Exact value of a double as unscaled bigint of that scale, rounded to 17 significant digits as SQL Server prints them. */
export function decimalFromFloat(value: number, scale: number): bigint {
  const [mantissa, exponent] = value.toExponential(16).split('e') as [string, string];
  const parsed = decimalParse(mantissa) as { unscaled: bigint; scale: number };
  return shift(parsed.unscaled, parsed.scale - Number(exponent), scale);
}

function shift(unscaled: bigint, from: number, to: number): bigint {
  return from >= 0 ? rescale(unscaled, from, to) : rescale(unscaled * pow10(-from), 0, to);
}

/** Does it fit decimal(precision, …)? */
export function fits(unscaled: bigint, precision: number): boolean {
  const limit = pow10(precision);
  return unscaled < limit && unscaled > -limit;
}

/** A float as CONVERT(varchar, float) shows it: six significant digits; style 1: 8, style 2: 16, both with exponent; 3: 17. */
export function floatText(value: number, style: number, real: boolean): string {
  if (style === 1 || style === 2) return exponentText(value.toExponential(style === 1 ? 7 : 15));
  if (style === 3) return exponentText(value.toPrecision(real ? 9 : 17));
  if (value === 0) return '0';
  const exponent = Math.floor(Math.log10(Math.abs(value)));
  if (exponent < -5 || exponent >= 6) {
    const text = Number(value.toPrecision(6)).toExponential();
    const rounded = Number(value.toPrecision(6));
    return Math.abs(rounded) >= 1e6 || Math.abs(rounded) < 1e-4 ? exponentText(text) : String(rounded);
  }
  return String(Number(value.toPrecision(6)));
}

function exponentText(text: string): string {
  return text.replace(/e([+-])(\d+)$/, (_, sign: string, digits: string) => `e${sign}${digits.padStart(3, '0')}`);
}
