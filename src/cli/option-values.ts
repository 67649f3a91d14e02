/** Parsers of option values. Each refuses what it does not understand with a line that says why. */
import { InvalidArgumentError } from "commander";

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
  };
}

const UNITS: Readonly<Record<string, number>> = { "": 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Bytes from `min` to `max`, such as 4096, 64K, 20M or 1G. */
export function byteCount(min: number, max: number): (text: string) => number {
  return (text) => {
    const [, digits, unit = ""] = /^(\d{1,15})([KMG]?)$/.exec(text) ?? [];
    const value = Number(digits) * UNITS[unit]!;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError("Expected a number of bytes, such as 65536, 64K, 20M or 1G.");
  };
}

/** Permission bits in octal, such as 0660. */
export function permissionBits(text: string): number {
  if (/^[0-7]{3,4}$/.test(text) && Number.parseInt(text, 8) <= 0o777)
    return Number.parseInt(text, 8);
  throw new InvalidArgumentError("Expected permission bits in octal, such as 0660.");
}

/** Text of 1 to `max` bytes without control characters. */
export function shortText(max: number): (text: string) => string {
  return (text) => {
    const length = Buffer.byteLength(text);
    if (length >= 1 && length <= max && !/[\p{Cc}\ufffd]/u.test(text)) return text;
    throw new InvalidArgumentError(`Expected 1 to ${max} bytes of plain text.`);
  };
}
