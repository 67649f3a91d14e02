import fc from "fast-check";
import { expect, test } from "vitest";
import {
  BLOB_CHUNK_OVERHEAD,
  decodeBlobChunk,
  decodeDigestMessage,
  decodeGetDirectoryRequest,
  decodeStatBlobRequest,
  decodeStatBlobResponse,
  encodeBlobChunk,
  encodeBlobChunkInto,
  encodeDigestMessage,
  encodeGetDirectoryRequest,
  encodeStatBlobRequest,
  encodeStatBlobResponse,
  InvalidMessage,
} from "../../src/castore/rpc-proto.ts";
import { digests, sizes } from "./arbitraries.ts";

const chunkLists = fc.array(fc.record({ digest: digests, size: sizes }), { maxLength: 8 });

/** Every decoder, and bytes that it takes. */
const decoders: readonly [string, (bytes: Uint8Array) => unknown, fc.Arbitrary<Uint8Array>][] = [
  [
    "StatBlobRequest",
    decodeStatBlobRequest,
    fc.tuple(digests, fc.boolean()).map(([d, send]) => encodeStatBlobRequest(d, send)),
  ],
  ["StatBlobResponse", decodeStatBlobResponse, chunkLists.map(encodeStatBlobResponse)],
  ["a digest", decodeDigestMessage, digests.map(encodeDigestMessage)],
  ["BlobChunk", decodeBlobChunk, fc.uint8Array({ maxLength: 300 }).map(encodeBlobChunk)],
  [
    "GetDirectoryRequest",
    decodeGetDirectoryRequest,
    fc.tuple(digests, fc.boolean()).map(([d, all]) => encodeGetDirectoryRequest(d, all)),
  ],
];

test("messages decode to what was encoded", () => {
  fc.assert(
    fc.property(
      digests,
      fc.boolean(),
      chunkLists,
      fc.uint8Array(),
      (digest, flag, chunks, data) => {
        const stat = decodeStatBlobRequest(encodeStatBlobRequest(digest, flag));
        expect([digest.equalsAt(stat.digest, 0), stat.sendChunks]).toEqual([true, flag]);
        const get = decodeGetDirectoryRequest(encodeGetDirectoryRequest(digest, flag));
        expect([digest.equalsAt(get.digest!, 0), get.recursive]).toEqual([true, flag]);
        expect(digest.equalsAt(decodeDigestMessage(encodeDigestMessage(digest)), 0)).toBe(true);
        expect(decodeStatBlobResponse(encodeStatBlobResponse(chunks))).toEqual(chunks);
        expect(Buffer.from(decodeBlobChunk(encodeBlobChunk(data))).equals(data)).toBe(true);
      },
    ),
  );
});

test("messages are encoded as protobuf has them", () => {
  const digest = decodeStatBlobResponse(Buffer.from(`12240a20${"ab".repeat(32)}1005`, "hex"));
  expect(digest).toMatchObject([{ size: 5 }]);
  expect(Buffer.from(encodeStatBlobResponse(digest)).toString("hex")).toBe(
    `12240a20${"ab".repeat(32)}1005`,
  );
  expect(encodeStatBlobResponse([])).toHaveLength(0);
  expect(Buffer.from(encodeBlobChunk(Buffer.from("hi"))).toString("hex")).toBe("0a026869");
  expect(encodeBlobChunk(new Uint8Array(0))).toHaveLength(0);
});

test("a piece of a blob is the same message when it is encoded in place", () => {
  for (const length of [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152]) {
    const data = new Uint8Array(length).fill(7);
    const target = new Uint8Array(length + BLOB_CHUNK_OVERHEAD);
    const taken = encodeBlobChunkInto(data, target);
    expect(Buffer.compare(target.subarray(0, taken), encodeBlobChunk(data)), `${length}`).toBe(0);
  }
});

test("fields that a newer peer adds are passed over", () => {
  // Fields 15 to 18: a varint, eight bytes, a string, four bytes.
  const added = Buffer.from("78c001", "hex");
  const more = Buffer.from("81010102030405060708", "hex");
  const text = Buffer.from("8a010568656c6c6f", "hex");
  const last = Buffer.from("950101020304", "hex");
  for (const [name, decode, valid] of decoders) {
    fc.assert(
      fc.property(valid, (bytes) => {
        const extended = Buffer.concat([added, more, bytes, text, last]);
        expect(decode(extended), name).toEqual(decode(Buffer.from(bytes)));
      }),
      { numRuns: 30 },
    );
  }
});

test("hostile bytes decode to something or are refused with InvalidMessage", () => {
  const mutation = fc.record({
    at: fc.nat(),
    remove: fc.integer({ min: 0, max: 3 }),
    insert: fc.uint8Array({ maxLength: 3 }),
  });
  for (const [name, decode, valid] of decoders) {
    fc.assert(
      fc.property(
        fc.oneof(fc.uint8Array({ maxLength: 60 }), valid),
        fc.array(mutation, { maxLength: 3 }),
        (start, mutations) => {
          let bytes = Buffer.from(start);
          for (const { at, remove, insert } of mutations) {
            const cut = at % (bytes.length + 1);
            bytes = Buffer.concat([bytes.subarray(0, cut), insert, bytes.subarray(cut + remove)]);
          }
          try {
            decode(bytes);
          } catch (error) {
            expect(error, name).toBeInstanceOf(InvalidMessage);
          }
        },
      ),
      { numRuns: 1500 },
    );
  }
});

test("chunks with digests of another length or sizes of 2^53 and more are refused", () => {
  const refused = [
    `12230a1f${"ab".repeat(31)}1005`,
    "12021005",
    `122b0a20${"ab".repeat(32)}10ffffffffffffffff7f`,
    "1300",
    "00",
    "1204",
  ];
  for (const hex of refused) {
    expect(() => decodeStatBlobResponse(Buffer.from(hex, "hex")), hex).toThrow(InvalidMessage);
  }
});
