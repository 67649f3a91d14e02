import { expect, test } from "vitest";
import { readEvents } from "./engine-log.ts";

const BEFORE = `castorefs: serving
[42:0x7f00]      283 ms: Scavenge 5.7 (6.8) -> 5.2 (7.8) MB, pooled: 0 MB, 3.99 / 0.00 ms  (average mu = 1.000, current mu = 1.000) allocation failure; 
[bailout (kind: deopt-eager, reason: wrong map): begin. deoptimizing 0x1 <JSFunction early (sfi = 0x2)>, 0x3 <Code MAGLEV>, opt id 36]
`;
const AFTER = `[42:0x7f00]      320 ms: Scavenge 7.2 (8.0) -> 5.4 (10.5) MB, pooled: 0 MB, 0.25 / 0.00 ms  (average mu = 1.000) task; 
[42:0x7f00]      629 ms: Mark-Compact 8.4 (19.0) -> 5.0 (19.3) MB, pooled: 0 MB, 4.82 / 0.04 ms  (+ 0.2 ms in 1 steps) (average mu = 0.992) finalize
[42:0x2940]      700 ms: Scavenge 9.9 (11.5) -> 7.8 (12.0) MB, pooled: 0 MB, 1.50 / 0.00 ms  (average mu = 1.000) allocation failure; 
[42:0x2940]      800 ms: Mark-Compact (reduce) 8.8 (11.5) -> 7.8 (12.0) MB, pooled: 0 MB, 1.50 / 0.00 ms  (average mu = 1.000)
[bailout (kind: deopt-eager, reason: prepare for on stack replacement (OSR)): begin. deoptimizing 0x1 <JSFunction spin (sfi = 0x2)>, 0x3 <Code MAGLEV>, opt id 46]
[bailout (kind: deopt-lazy, reason: (unknown)): begin. deoptimizing 0x1 <JSFunction (sfi = 0x2)>, 0x3 <Code TURBOFAN_JS>, opt id 47]
`;

test("what V8 says is counted from a point on, garbage for each isolate by itself", () => {
  const { garbageBytes, deoptimizations, ...counted } = readEvents(BEFORE + AFTER, BEFORE.length);
  expect(counted).toEqual({
    youngCollections: 2,
    oldCollections: 2,
    longestPauseMilliseconds: 4.82,
  });
  expect(garbageBytes / 2 ** 20).toBeCloseTo(7.2 - 5.2 + (8.4 - 5.4) + (8.8 - 7.8));
  expect(deoptimizations).toEqual([
    "spin: prepare for on stack replacement (OSR)",
    "(a closure): (unknown)",
  ]);
});
