import { describe, expect, test } from "vitest";
import { blake3 } from "../../src/castore/blake3.ts";
import type { Digest } from "../../src/castore/digest.ts";
import type { Want } from "../../src/device/messages.ts";
import type { ParkedRequest } from "../../src/device/parked-request.ts";
import {
  ParkedRequests,
  RERUNS_MAX,
  TICK_MILLISECONDS,
  TIMEOUTS_MAX,
  WANTS_MAX,
} from "../../src/device/parked-requests.ts";
import { Misses } from "../../src/store/misses.ts";

const TIMEOUT = 10_000;

const digestOf = (text: string): Digest => blake3(Buffer.from(text));

function setUp() {
  const misses = new Misses();
  const wanted: Want[] = [];
  const unwanted: number[] = [];
  const lines: string[] = [];
  const resumed: ParkedRequest[] = [];
  const clock = { now: 1_000 };
  let posts = 0;
  let lost = 0;
  const parked = new ParkedRequests({
    misses,
    timeoutMilliseconds: TIMEOUT,
    logger: { log: (_, message, fields) => lines.push(`${message} ${fields?.["digest"]}`) },
    post: (more, less) => {
      posts += 1;
      wanted.push(...more);
      unwanted.push(...less);
    },
    lost: () => {
      lost += 1;
    },
    now: () => clock.now,
  });
  const queue = { resume: (request: ParkedRequest) => resumed.push(request) };
  /** Parks a request that lacks the blobs of these names. */
  const park = (head: number, names: string[], earlier?: ParkedRequest) => {
    for (const name of names) misses.add("blob", digestOf(name).bytes, 0, false);
    const request = parked.park(queue, head, earlier);
    parked.flush();
    return request;
  };
  /** Lets time pass, looking at deadlines as the loop does. */
  const pass = (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= TICK_MILLISECONDS) {
      clock.now += Math.min(left, TICK_MILLISECONDS);
      parked.tick();
    }
    parked.flush();
  };
  const idOf = (name: string) =>
    wanted.findLast(({ digest }) => digestOf(name).equalsAt(digest, 0))!.id;
  const taken = () => resumed.splice(0);
  return {
    misses,
    parked,
    wanted,
    unwanted,
    lines,
    park,
    pass,
    idOf,
    taken,
    queue,
    posts: () => posts,
    lost: () => lost,
  };
}

describe("ParkedRequests", () => {
  test("a request is ready when the last of what it wants is there", () => {
    const { park, parked, idOf, taken, wanted } = setUp();
    const request = park(3, ["a", "b"]);
    expect(wanted).toMatchObject([
      { kind: "blob", heal: false },
      { kind: "blob", heal: false },
    ]);
    parked.settled(idOf("a"), true);
    expect(taken()).toEqual([]);
    parked.settled(idOf("b"), true);
    expect(taken()).toEqual([request]);
    expect(request).toMatchObject({ head: 3, failed: false });
    expect([parked.waiting, parked.wants]).toEqual([0, 0]);
  });

  test("thousands of requests for one object ask for it once", () => {
    const { park, parked, wanted, idOf, taken, posts } = setUp();
    for (let head = 0; head < 5000; head++) park(head, ["a"]);
    expect(wanted).toHaveLength(1);
    expect(posts()).toBe(1);
    parked.settled(idOf("a"), true);
    expect(taken().map(({ head }) => head)).toEqual(Array.from({ length: 5000 }, (_, i) => i));
  });

  test("a rotten object and an absent one of the same digest are different wants", () => {
    const { parked, misses, queue, wanted } = setUp();
    misses.add("blob", digestOf("a").bytes, 0, false);
    misses.add("blob", digestOf("a").bytes, 0, true);
    misses.add("chunk", digestOf("a").bytes, 0, true, digestOf("b").bytes);
    parked.park(queue, 0);
    parked.flush();
    expect(wanted.map(({ kind, heal }) => [kind, heal])).toEqual([
      ["blob", false],
      ["blob", true],
      ["chunk", true],
    ]);
    expect(wanted[2]!.within).toEqual(digestOf("b").bytes);
  });

  test("what cannot be had fails everybody who wants it, and takes back what else they wanted", () => {
    const { park, parked, idOf, taken, unwanted, lost } = setUp();
    park(0, ["a", "b"]);
    park(1, ["a"]);
    const other = park(2, ["b", "c"]);
    parked.settled(idOf("a"), false);
    parked.flush();
    expect(taken().map(({ head, failed }) => [head, failed])).toEqual([
      [0, true],
      [1, true],
    ]);
    expect(unwanted).toEqual([]);
    expect(lost()).toBe(1);
    parked.drop(other);
    parked.flush();
    expect(unwanted.sort()).toEqual([idOf("b"), idOf("c")].sort());
    parked.settled(idOf("b"), true);
    expect(taken()).toEqual([]);
  });

  test("past its deadline a request fails, with a line, and a later one asks again", () => {
    const { park, pass, taken, lines, wanted, unwanted } = setUp();
    park(0, ["a"]);
    pass(TIMEOUT / 2);
    park(1, ["a"]);
    pass(TIMEOUT / 2 + TICK_MILLISECONDS);
    expect(taken().map(({ head, failed }) => [head, failed])).toEqual([[0, true]]);
    expect(lines).toEqual([`object did not come in time ${digestOf("a")}`]);
    expect(unwanted).toEqual([]);
    pass(TIMEOUT / 2);
    expect(taken().map(({ head }) => head)).toEqual([1]);
    expect(unwanted).toEqual([wanted[0]!.id]);
    park(2, ["a"]);
    expect(wanted).toHaveLength(2);
    expect(wanted[1]!.id).not.toBe(wanted[0]!.id);
  });

  test("progress moves the deadline, but not for ever", () => {
    const { park, parked, pass, idOf, taken } = setUp();
    park(0, ["a"]);
    let waited = 0;
    while (taken().length === 0) {
      pass(TIMEOUT / 2);
      waited += TIMEOUT / 2;
      parked.progressed(idOf("a"));
      if (waited > TIMEOUT * (TIMEOUTS_MAX + 1)) break;
    }
    expect(waited).toBe(TIMEOUT * TIMEOUTS_MAX);
  });

  test("one of several things that come is progress, too", () => {
    const { park, parked, pass, idOf, taken } = setUp();
    park(0, ["a", "b"]);
    pass(TIMEOUT * 0.9);
    parked.settled(idOf("a"), true);
    pass(TIMEOUT * 0.9);
    expect(taken()).toEqual([]);
    pass(TIMEOUT * 0.2);
    expect(taken()).toHaveLength(1);
  });

  test("a request that always lacks something is given up", () => {
    const { park, parked, idOf, taken, lines } = setUp();
    let request = park(0, ["a"]);
    for (let rerun = 1; rerun < RERUNS_MAX; rerun++) {
      parked.settled(idOf("a"), true);
      expect(taken()).toEqual([request]);
      request = park(0, ["a"], request);
    }
    parked.settled(idOf("a"), true);
    taken();
    park(0, ["a"], request);
    expect(taken()).toMatchObject([{ failed: true }]);
    expect(lines).toEqual([`object is there and cannot be read ${digestOf("a")}`]);
    expect([parked.waiting, parked.wants]).toEqual([0, 0]);
  });

  test("beyond the bound of wants requests wait for their turn to ask", () => {
    const { park, parked, wanted, taken, pass, idOf } = setUp();
    for (let i = 0; i < WANTS_MAX; i++) park(i, [`${i}`]);
    const late = [park(5000, ["late"]), park(5001, ["later"])];
    const known = park(5002, ["17"]);
    expect(parked.wants).toBe(WANTS_MAX);
    expect(wanted).toHaveLength(WANTS_MAX);
    parked.settled(idOf("17"), true);
    expect(taken().map(({ head }) => head)).toEqual([17, known.head, late[0]!.head]);
    park(5000, ["late"], late[0]);
    expect(wanted).toHaveLength(WANTS_MAX + 1);
    expect(taken()).toEqual([]);
    pass(TIMEOUT + TICK_MILLISECONDS);
    expect(taken().every(({ failed }) => failed)).toBe(true);
    expect([parked.waiting, parked.wants]).toEqual([0, 0]);
  });

  test("an answer to what nobody wants any more is let pass", () => {
    const { park, parked, taken } = setUp();
    const request = park(0, ["a"]);
    parked.drop(request);
    for (const id of [1, 2, 99]) {
      parked.settled(id, true);
      parked.progressed(id);
    }
    expect(taken()).toEqual([]);
  });

  test("what an earlier request lacked is not held against the next", () => {
    const { misses, parked, park, wanted } = setUp();
    misses.add("directory", digestOf("listed only").bytes, 0, false);
    parked.begin();
    park(0, ["a"]);
    expect(wanted.map(({ kind }) => kind)).toEqual(["blob"]);
  });
});
