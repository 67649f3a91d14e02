import fc from "fast-check";
import { expect, test } from "vitest";
import { i64At, putI64, putU64, struct, UNREPRESENTABLE, u64At } from "../../src/abi/struct.ts";

const inner = struct({ flag: "u8", stamp: "i64" });
const outer = struct({
  small: "u8",
  half: "u16",
  word: "u32",
  signed: "i32",
  wide: "u64",
  opaque: "opaque64",
  tail: "bytes(3)",
  nested: inner,
});

test("struct() lays fields out as C does", () => {
  expect(inner.at).toEqual({ flag: 0, stamp: 8 });
  expect(inner.size).toBe(16);
  expect(outer.at).toEqual({
    small: 0,
    half: 2,
    word: 4,
    signed: 8,
    wide: 16,
    opaque: 24,
    tail: 32,
    nested: 40,
  });
  expect(outer.size).toBe(56);
});

test("read() gives back what write() was given, at any offset", () => {
  const values = fc.record({
    small: fc.integer({ min: 0, max: 0xff }),
    half: fc.integer({ min: 0, max: 0xffff }),
    word: fc.integer({ min: 0, max: 0xffffffff }),
    signed: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
    wide: fc.maxSafeNat(),
    opaque: fc.uint8Array({ minLength: 8, maxLength: 8 }),
    tail: fc.uint8Array({ minLength: 3, maxLength: 3 }),
    nested: fc.record({ flag: fc.integer({ min: 0, max: 255 }), stamp: fc.maxSafeInteger() }),
  });
  fc.assert(
    fc.property(values, fc.nat(9), (value, offset) => {
      const bytes = new Uint8Array(offset + outer.size + 5).fill(0xaa);
      const view = new DataView(bytes.buffer);
      outer.write(view, offset, value);
      expect(outer.read(view, offset)).toEqual(value);
      expect(bytes.subarray(0, offset).every((byte) => byte === 0xaa)).toBe(true);
      expect(bytes.subarray(offset + outer.size).every((byte) => byte === 0xaa)).toBe(true);
    }),
  );
});

test("write() zeroes what it is not given, padding included", () => {
  const bytes = new Uint8Array(outer.size).fill(0xaa);
  outer.write(new DataView(bytes.buffer), 0, { word: 1 });
  expect([...bytes].filter((byte) => byte !== 0)).toEqual([1]);
  outer.write(new DataView(bytes.fill(0xaa).buffer), 0, { nested: { flag: 2 } });
  expect([...bytes].filter((byte) => byte !== 0)).toEqual([2]);
});

test("a u64 above 2^53 - 1 is refused, never rounded", () => {
  const view = new DataView(new ArrayBuffer(8));
  putU64(view, 0, Number.MAX_SAFE_INTEGER);
  expect(u64At(view, 0)).toBe(Number.MAX_SAFE_INTEGER);
  view.setUint32(0, 0, true);
  view.setUint32(4, 2 ** 21, true);
  expect(u64At(view, 0)).toBe(UNREPRESENTABLE);
  const wide = struct({ value: "u64" });
  expect(() => wide.read(view, 0)).toThrow(RangeError);
  expect(() => wide.write(view, 0, { value: 2 ** 53 })).toThrow(RangeError);
  expect(() => wide.write(view, 0, { value: -1 })).toThrow(RangeError);
  view.setUint32(4, 0xffffffff, true);
  expect(() => wide.read(view, 0)).toThrow(RangeError);
});

test("u64At() agrees with the DataView's own BigInt reader", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (value) => {
      const view = new DataView(new ArrayBuffer(8));
      view.setBigUint64(0, value, true);
      const expected = value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : UNREPRESENTABLE;
      expect(u64At(view, 0)).toBe(expected);
    }),
  );
});

test("struct() refuses what is not a field", () => {
  expect(() => struct({ "a b": "u8" })).toThrow(SyntaxError);
  expect(() => struct({ a: "bytes(0)" })).toThrow(SyntaxError);
});

test("an i64 is written as it is, and read as the nearest number that is held exactly", () => {
  const view = new DataView(new ArrayBuffer(8));
  const corners = [0, -1, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), -(2 ** 31) - 1, 2 ** 32, -(2 ** 32)];
  const number = fc.oneof(fc.constantFrom(...corners), fc.maxSafeInteger());
  fc.assert(
    fc.property(number, (value) => {
      putI64(view, 0, value);
      expect([view.getBigInt64(0, true), i64At(view, 0)]).toEqual([BigInt(value), value]);
    }),
  );
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), (value) => {
      view.setBigInt64(0, value, true);
      const limit = BigInt(Number.MAX_SAFE_INTEGER);
      const nearest = value > limit ? limit : value < -limit ? -limit : value;
      expect(i64At(view, 0)).toBe(Number(nearest));
    }),
  );
});
