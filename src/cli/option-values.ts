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
