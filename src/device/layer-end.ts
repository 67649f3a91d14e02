/** The last thing that the device thread of a writable share does: all that was written is durable. */
import { drainFd, PollSet } from "node-vhost-user";
import { SYNCING, WAITING } from "../base/waiting.ts";
import type { Modifications } from "../fuse/modifications.ts";
import type { DeviceLayer } from "../layer/device-layer.ts";

/** How long to block at the most before writing back is looked after. */
const STEP_MILLISECONDS = 1000;

/**
 * Returns when the layer has got everything. Takes the place of whoever was told of progress. How
 * long it may take is for the control thread to say.
 * @throws Error when the layer has failed
 */
export function finishLayer(
  modifications: Modifications,
  layer: Pick<DeviceLayer, "flush">,
  wakeFd: number,
): void {
  using poll = new PollSet(1);
  poll.set(0, wakeFd);
  let settled = -1;
  let failure = 0;
  modifications.onProgress = (ticket, errno) => {
    settled = ticket;
    failure = errno;
  };
  const step = () => {
    const due = modifications.tick(performance.now());
    layer.flush();
    poll.wait(due < 0 ? STEP_MILLISECONDS : Math.min(Math.ceil(due), STEP_MILLISECONDS));
    drainFd(wakeFd);
    modifications.layerChanged();
  };
  let status = modifications.syncfs();
  for (; status === WAITING && failure === 0; status = modifications.syncfs()) step();
  if (status === SYNCING) {
    while (settled < modifications.ticket.last && failure === 0) step();
  } else if (status < 0) failure = -status;
  if (failure === 0) return;
  throw new Error(`what the guest wrote last did not get into the layer: errno ${failure}`);
}
