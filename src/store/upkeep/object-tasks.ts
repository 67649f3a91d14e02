/** Cuts a list of objects into tasks that a worker is busy with for a moment. */
import { DIGEST_BYTES } from "../../castore/digest.ts";
import type { Location } from "../disk-index.ts";
import { READ_BYTES_MAX } from "./object-check.ts";
import type { ObjectList } from "./object-list.ts";
import type { ObjectTask } from "./verify-messages.ts";

export const TASK_OBJECTS_MAX = 2048;

/** Tasks of one segment each, in the order of the list. */
export function* objectTasks(list: ObjectList): Generator<ObjectTask> {
  const location: Location = { segment: 0, offset: 0, length: 0 };
  for (let first = 0; first < list.size; ) {
    list.locate(first, location);
    const { segment } = location;
    let bytes = location.length;
    let end = first + 1;
    for (; end < list.size && end - first < TASK_OBJECTS_MAX; end += 1) {
      list.locate(end, location);
      bytes += location.length;
      if (location.segment !== segment || bytes > READ_BYTES_MAX) break;
    }
    yield makeTask(list, segment, first, end);
    first = end;
  }
}

function makeTask(list: ObjectList, segment: number, first: number, end: number): ObjectTask {
  const location: Location = { segment: 0, offset: 0, length: 0 };
  const count = end - first;
  const task: ObjectTask = {
    kind: "objects",
    segment,
    kinds: new Uint8Array(count),
    digests: new Uint8Array(count * DIGEST_BYTES),
    offsets: new Float64Array(count),
    lengths: new Float64Array(count),
    whole: new Uint8Array(count),
  };
  for (let i = 0; i < count; i += 1) {
    list.locate(first + i, location);
    task.kinds[i] = list.kindOf(first + i);
    task.digests.set(list.digestOf(first + i).bytes, i * DIGEST_BYTES);
    task.offsets[i] = location.offset;
    task.lengths[i] = location.length;
    task.whole[i] = list.isWhole(first + i) ? 1 : 0;
  }
  return task;
}
