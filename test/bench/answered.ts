/** One request at a time over a lane, outside timed parts. */
import type { RequestLane } from "../frontend/request-lane.ts";
import { WrongData } from "./verify.ts";

const ANSWER_MILLISECONDS = 10_000;

/** Has the device see the request in slot 0; its answer's error, 0 or negated. @throws WrongData. */
export function answered(lane: RequestLane): number {
  lane.flush();
  if (lane.wait(ANSWER_MILLISECONDS) !== 0 || !lane.isOwnReply(0)) {
    throw new WrongData("wrong: no reply to a request");
  }
  return lane.error(0);
}
