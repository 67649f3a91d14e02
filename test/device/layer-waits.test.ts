import { describe, expect, test } from "vitest";
import { EIO, ENOSPC } from "../../src/base/errno.ts";
import {
  LayerWaits,
  STALL_MILLISECONDS,
  WAIT_MILLISECONDS_MAX,
} from "../../src/device/layer-waits.ts";
import { newParkedRequest, type ParkedRequest } from "../../src/device/parked-request.ts";

function setUp() {
  const clock = { now: 1_000 };
  const lines: string[] = [];
  const resumed: ParkedRequest[] = [];
  const queue = { resume: (request: ParkedRequest) => resumed.push(request) };
  const logger = { log: (_: string, message: string) => lines.push(message) };
  const waits = new LayerWaits(logger, () => clock.now);
  /** Parks a new request: with a ticket, or to be run again. */
  const park = (head: number, ticket = 0) => {
    const request = newParkedRequest(queue, head, clock.now);
    waits.park(request, ticket);
    return request;
  };
  /** [head, errno, failed] of what is ready. */
  const taken = () =>
    resumed.splice(0).map(({ head, errno, failed }) => [head, errno, failed] as const);
  return { clock, lines, waits, park, taken };
}

describe("LayerWaits", () => {
  test("a ticket that settles concludes all up to it, and none beyond", () => {
    const { waits, park, taken } = setUp();
    park(3, 11);
    park(1, 10);
    park(2, 10);
    waits.progressed(9, 0);
    expect(taken()).toEqual([]);
    waits.progressed(10, 0);
    expect(taken()).toEqual([
      [1, 0, false],
      [2, 0, false],
    ]);
    waits.progressed(12, ENOSPC);
    expect(taken()).toEqual([[3, ENOSPC, false]]);
    expect(waits.waiting).toBe(0);
  });

  test("a ticket that was settled by then is concluded at once, as it was settled", () => {
    const { waits, park, taken } = setUp();
    waits.progressed(5, EIO);
    park(1, 5);
    expect(taken()).toEqual([[1, EIO, false]]);
    park(2, 6);
    expect(taken()).toEqual([]);
  });

  test("progress has all that wait run again, in the order in which they came", () => {
    const { waits, park, taken } = setUp();
    const requests = [7, 3, 5].map((head) => park(head));
    waits.progressed(0, 0);
    expect(taken().map(([head]) => head)).toEqual([7, 3, 5]);
    for (const request of requests.slice(1)) waits.park(request, 0);
    waits.progressed(0, 0);
    expect(taken().map(([head]) => head)).toEqual([3, 5]);
    expect(waits.waiting).toBe(0);
  });

  test("what is dropped is not resumed", () => {
    const { waits, park, taken } = setUp();
    waits.drop(park(1));
    waits.drop(park(2, 1));
    waits.progressed(1, 0);
    expect(taken()).toEqual([]);
  });

  test("all is given up with EIO when nothing settles for long, and one line says so", () => {
    const { waits, park, taken, clock, lines } = setUp();
    park(1, 4);
    park(2);
    clock.now += STALL_MILLISECONDS - 1;
    waits.tick();
    expect(taken()).toEqual([]);
    waits.progressed(3, 0);
    waits.park(newParkedRequest({ resume: () => {} }, 3, clock.now), 0);
    taken();
    clock.now += STALL_MILLISECONDS - 1;
    waits.tick();
    expect(waits.waiting).toBe(2);
    clock.now += 1;
    waits.tick();
    expect(taken()).toEqual([[1, EIO, true]]);
    expect(waits.waiting).toBe(0);
    expect(lines).toEqual(["the layer does not get on"]);
  });

  test("a request whose turn never comes is given up, however well the others get on", () => {
    const { waits, park, taken, clock } = setUp();
    const request = park(1);
    for (let runs = 0; ; runs++) {
      clock.now += 1_000;
      waits.progressed(runs, 0);
      const [ready] = taken();
      if (ready?.[2] === true) break;
      expect(clock.now).toBeLessThanOrEqual(request.since + WAIT_MILLISECONDS_MAX + 1_000);
      waits.park(request, 0);
      if (request.failed) break;
    }
    expect([request.failed, request.errno]).toEqual([true, EIO]);
  });
});
