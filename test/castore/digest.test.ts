import fc from "fast-check";
import { expect, test } from "vitest";
import {
  blake3,
  blake3Implementation,
  blake3Matches,
  createHasher,
} from "../../src/castore/blake3.ts";
import { Digest, digestKey } from "../../src/castore/digest.ts";
import { InvalidDigest } from "../../src/castore/errors.ts";
import { passesKnownVectors } from "../../src/castore/hasher.ts";
import { loadNativeHasher } from "../../src/castore/native-hasher.ts";
import { loadWasmHasher } from "../../src/castore/wasm-hasher.ts";
import { digests } from "./arbitraries.ts";

const wasm = await loadWasmHasher();

test("a digest comes back from its text and from its hexadecimal digits", () => {
  fc.assert(
    fc.property(digests, (digest) => {
      expect(Digest.parse(digest.toString()).equals(digest)).toBe(true);
      expect(Digest.parse(digest.hex.toUpperCase()).equals(digest)).toBe(true);
      expect(digest.key).toBe(digestKey(digest.bytes, 0));
    }),
  );
});

test("the text of a digest is blake3- and padded base64", () => {
  expect(blake3(new Uint8Array(0)).toString()).toBe(
    "blake3-rxNJufX5oaagQE3qNtzJSZvLJcmtwRK3zJqTyuQfMmI=",
  );
});

test("any other text is refused, another spelling of the same bytes too", () => {
  const right = blake3(new Uint8Array(0)).toString();
  const wrong = [
    "",
    "blake3-",
    right.slice(0, -1),
    `${right}=`,
    right.replace("I=", "J="),
    right.replace("x", "-"),
    right.replace("blake3", "sha256"),
    "ab".repeat(31),
    "zz".repeat(32),
  ];
  for (const text of wrong) expect(() => Digest.parse(text), text).toThrow(InvalidDigest);
  expect(() => Digest.from(new Uint8Array(31))).toThrow(InvalidDigest);
  expect(() => Digest.at(new Uint8Array(40), 9)).toThrow(InvalidDigest);
});

test("the known blobs have the known digests", () => {
  const hex = (text: string) => blake3(Buffer.from(text, "latin1")).hex;
  expect(hex("")).toBe("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262");
  expect(hex("Hello World!")).toBe(
    "5ca7815adcb484e9a136c11efe69c1d530176d549b5d18d038eb5280b4b3470c",
  );
  expect(hex("\x00\x01")).toBe("7b7015bb92cf0b318037702a6cdd81dee41224f734684c2c122cd6359cb1ee63");
});

test("bytes 0 to 254 repeated 4096 times have the known digest, however they are fed", () => {
  const known = "a82c5154a7a0c262c6fdb929a317585646f8fbcf80326d0a7b8747edaf2d99d2";
  const bytes = new Uint8Array(255 * 4096);
  for (let i = 0; i < bytes.length; i += 1) bytes[i] = i % 255;
  expect(blake3(bytes).hex).toBe(known);
  expect(blake3Matches(bytes, Digest.parse(known).bytes, 0)).toBe(true);
  expect(Buffer.from(wasm.hash(bytes)).toString("hex")).toBe(known);
  for (const step of [1000, 65536, bytes.length]) {
    const hasher = createHasher();
    for (let at = 0; at < bytes.length; at += step) hasher.update(bytes.subarray(at, at + step));
    expect(hasher.digest().hex).toBe(known);
  }
});

test("the WASM hasher agrees with the one in use on more than 1 MiB at once", () => {
  const bytes = new Uint8Array(5_000_001).map((_, i) => (i * 7) ^ (i >> 9));
  expect(Buffer.from(wasm.hash(bytes))).toEqual(Buffer.from(blake3(bytes).bytes));
  const hasher = wasm.createHasher();
  hasher.update(bytes);
  expect(Buffer.from(hasher.digest())).toEqual(Buffer.from(blake3(bytes).bytes));
});

test("a hasher with wrong digests does not pass the known vectors", () => {
  expect(passesKnownVectors(wasm)).toBe(true);
  const native = loadNativeHasher();
  if (native !== undefined) {
    expect(passesKnownVectors(native)).toBe(true);
    expect(blake3Implementation).toBe("native");
  }
  const rotten = { ...wasm, hash: (bytes: Uint8Array) => wasm.hash(bytes).fill(0, 31) };
  expect(passesKnownVectors(rotten)).toBe(false);
});
