/**
 * The inner loop of FastCDC as a WebAssembly module, put together here instruction by instruction.
 * It needs a 64-bit addition for every byte, which JavaScript does not have; this runs three times
 * as fast as the same in 32-bit halves. What the module does, in C:
 *
 *     // The position of the first cut in memory[at, limit), `none` if there is no cut. All
 *     // positions differ by whole steps of two bytes.
 *     uint32_t cut(uint32_t at, uint32_t centre, uint32_t limit, uint32_t none) {
 *       uint64_t hash = 0;
 *       for (; at < centre; at += 2) {
 *         hash = (hash << 2) + shiftedGear[memory[at]];
 *         if ((hash & (hard << 1)) == 0) return at;
 *         hash = hash + gear[memory[at + 1]];
 *         if ((hash & hard) == 0) return at + 1;
 *       }
 *       for (; at < limit; at += 2) … the same with `easy`
 *       return none;
 *     }
 */

/** Parameters of `cut`, and its variable. */
const AT = 0;
const CENTRE = 1;
const LIMIT = 2;
const NONE = 3;
const HASH = 4;

/** Where the tables lie, each of 256 entries of eight bytes. */
export const GEAR_AT = 0;
export const SHIFTED_GEAR_AT = 2048;
/** Data may lie from here on: a page of WebAssembly's. */
export const CUT_DATA_AT = 65_536;
export const WASM_PAGE_BYTES = 65_536;
/** The module takes memories of up to this many pages (4 GiB). */
const WASM_PAGES_MAX = 65_536;

type Code = readonly number[];

// Instructions, named as in WebAssembly's text format. A block without a value is 0x40.
const localGet = (index: number): Code => [0x20, index];
const localSet = (index: number): Code => [0x21, index];
const localTee = (index: number): Code => [0x22, index];
const i32Const = (value: number): Code => [0x41, ...signed(BigInt(value))];
const i64Const = (value: bigint): Code => [0x42, ...signed(value)];
const i32Load8 = (offset: number): Code => [0x2d, 0, ...unsigned(offset)];
const i64Load = (offset: number): Code => [0x29, 3, ...unsigned(offset)];
const I32_ADD: Code = [0x6a];
const I32_SHL: Code = [0x74];
const I32_GE: Code = [0x4f];
const I64_ADD: Code = [0x7c];
const I64_AND: Code = [0x83];
const I64_SHL: Code = [0x86];
const I64_EQZ: Code = [0x50];
const BLOCK: Code = [0x02, 0x40];
const LOOP: Code = [0x03, 0x40];
const IF: Code = [0x04, 0x40];
const END: Code = [0x0b];
const RETURN: Code = [0x0f];
const br = (depth: number): Code => [0x0c, depth];
const brIf = (depth: number): Code => [0x0d, depth];

const I32 = 0x7f;
const I64 = 0x7e;

/** The module. It imports its memory, a shared one, as `castorefs.memory` and exports `cut`. */
export function cutModule(hard: bigint, easy: bigint): Uint8Array {
  const body = [[1, 1, I64], scan(CENTRE, hard), scan(LIMIT, easy), localGet(NONE), END].flat();
  const shared = 3;
  const memory = [2, shared, ...unsigned(1), ...unsigned(WASM_PAGES_MAX)];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 4, I32, I32, I32, I32, 1, I32]),
    ...section(2, [1, ...text("castorefs"), ...text("memory"), ...memory]),
    ...section(3, [1, 0]),
    ...section(7, [1, ...text("cut"), 0, 0]),
    ...section(10, [1, ...unsigned(body.length), ...body]),
  ]);
}

/** Steps of two bytes until `at` has come to the position in local `stop`. */
function scan(stop: number, mask: bigint): Code {
  return [
    BLOCK,
    LOOP,
    [...localGet(AT), ...localGet(stop), ...I32_GE, ...brIf(1)],
    [...localGet(HASH), ...i64Const(2n), ...I64_SHL, ...gearOf(0, SHIFTED_GEAR_AT)],
    [...I64_ADD, ...localTee(HASH), ...i64Const(mask << 1n), ...I64_AND, ...I64_EQZ],
    [...IF, ...localGet(AT), ...RETURN, ...END],
    [...localGet(HASH), ...gearOf(1, GEAR_AT)],
    [...I64_ADD, ...localTee(HASH), ...i64Const(mask), ...I64_AND, ...I64_EQZ],
    [...IF, ...localGet(AT), ...i32Const(1), ...I32_ADD, ...RETURN, ...END],
    [...localGet(AT), ...i32Const(2), ...I32_ADD, ...localSet(AT), ...br(0)],
    END,
    END,
  ].flat();
}

/** The entry of the table at `table` for the byte at `at + offset`. */
function gearOf(offset: number, table: number): Code {
  return [...localGet(AT), ...i32Load8(offset), ...i32Const(3), ...I32_SHL, ...i64Load(table)];
}

function section(id: number, contents: Code): Code {
  return [id, ...unsigned(contents.length), ...contents];
}

function text(value: string): Code {
  return [...unsigned(value.length), ...Buffer.from(value, "latin1")];
}

/** LEB128: seven bits a byte, the lowest first; the top bit says that there is more. */
function unsigned(value: number): Code {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)];
}

/** The same for signed numbers: bit 6 of the last byte is the sign. */
function signed(value: bigint): Code {
  const bits = Number(BigInt.asUintN(7, value));
  const rest = value >> 7n;
  const done = rest === ((bits & 0x40) === 0 ? 0n : -1n);
  return done ? [bits] : [bits | 0x80, ...signed(rest)];
}
