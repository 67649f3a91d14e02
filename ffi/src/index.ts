/** node-vhost-user: write vhost-user devices in TypeScript. See README.md. */
export { ListenError, type ListenErrorCode, NativeLibraryError, SystemError } from "./errors.ts";
export { drainFd, EventFd, signalFd } from "./event-fd.ts";
export { closeFd } from "./file-descriptor.ts";
export { guestMemoryFaulted } from "./guest-faults.ts";
export { MappedFile, mapFile } from "./mapped-file.ts";
export { COPY_SEGMENTS_MAX, NativeCopy } from "./native-copy.ts";
export { PollSet } from "./poll-set.ts";
export { SharedMemory } from "./shared-memory.ts";
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
