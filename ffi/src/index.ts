/** node-vhost-user: write vhost-user devices in TypeScript. See README.md. */
export {
  type DeviceEvents,
  type DeviceLog,
  type DeviceOptions,
  QUEUE_SIZE_DEFAULT_MAX,
  QUEUES_MAX,
  type RingPosition,
} from "./device-options.ts";
export { EpollSet } from "./epoll-set.ts";
export { ListenError, type ListenErrorCode, NativeLibraryError, SystemError } from "./errors.ts";
export { drainFd, EventFd, signalFd } from "./event-fd.ts";
export type { FeatureBits } from "./feature-bits.ts";
export { closeFd } from "./file-descriptor.ts";
export { guestMemoryFaulted } from "./guest-faults.ts";
export { MappedFile, mapFile } from "./mapped-file.ts";
export {
  type GuestMemoryTable,
  MEMORY_WINDOWS_MAX,
  type MemoryRegion,
  type MemoryWindow,
  WINDOW_BYTES,
} from "./memory-table.ts";
export { COPIES_MAX, NativeCopy } from "./native-copy.ts";
export { NativeBlock, viewNative } from "./native-memory.ts";
export { PollSet } from "./poll-set.ts";
export { FEATURE, PROTOCOL_FEATURE, REQUEST } from "./protocol.ts";
export { punchHole } from "./punch-hole.ts";
export type { VhostUserQueue } from "./queue-record.ts";
export { SharedMemory } from "./shared-memory.ts";
export { syncRange } from "./sync-range.ts";
export {
  acceptUnix,
  connectUnix,
  LISTEN_BACKLOG,
  LISTEN_MODE_DEFAULT,
  type ListenOptions,
  listenUnix,
  MESSAGE_FDS_MAX,
  type ReceivedMessage,
  receiveMessage,
  sendMessage,
  tryReceiveMessage,
} from "./unix-socket.ts";
export { type DispatchResult, VhostUserDevice } from "./vhost-user-device.ts";
