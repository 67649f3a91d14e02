/**
 * The functions of c/shim.c. Addresses and file descriptors are plain numbers; a negative result is
 * -errno. Loaded when this file is, in every thread that imports it.
 */
import { checkVersion, loadNative } from "./native-directory.ts";

const SHIM_VERSION = 5;

const library = loadNative("shim.so");
checkVersion("shim.so", library.func("nvu_shim_version", "int", [])(), SHIM_VERSION);

type Address = number;

export const shim: {
  allocate(bytes: number): Address;
  free(address: Address): void;
  memfd(bytes: number): number;
  map(fd: number, offset: number, bytes: number, writable: number, address: BigUint64Array): number;
  unmap(address: Address, bytes: number): number;
  openRead(path: Uint8Array): number;
  close(fd: number): number;
  eventfd(): number;
  signal(fd: number): number;
  drain(fd: number): number;
  poll(entries: Address, count: number, timeoutMilliseconds: number): number;
  epoll(): number;
  epollAdd(epollFd: number, fd: number, place: number, edge: number): number;
  epollRemove(epollFd: number, fd: number): number;
  epollWait(
    epollFd: number,
    places: Address,
    capacity: number,
    timeoutMilliseconds: number,
  ): number;
  writable(fd: number): number;
  isEventfd(fd: number): number;
  setNonblocking(fd: number): number;
  isSharedMemory(fd: number): number;
  fileFacts(fd: number, out: BigUint64Array): number;
  /** The C library's own: -1 when it failed. */
  syncFileRange(fd: number, offset: number, bytes: number, flags: number): number;
  punchHole(fd: number, offset: number, bytes: number): number;
  listen(path: Uint8Array, mode: number, gid: number, backlog: number): number;
  connect(path: Uint8Array, nonblocking: number): number;
  accept(fd: number): number;
  group(name: Uint8Array): number;
  send(fd: number, bytes: Uint8Array, length: number, fds: Int32Array, count: number): number;
  receive(
    fd: number,
    bytes: Uint8Array,
    length: number,
    fds: Int32Array,
    fdsMax: number,
    count: Uint32Array,
    wait: number,
  ): number;
  guardAdd(start: Address, bytes: number): number;
  guardRemove(start: Address): number;
  guestFaults(): Address;
  copyOut(target: Uint8Array, source: Address, bytes: number): number;
  copy(copies: Address, first: number, end: number, streaming: number): number;
} = {
  allocate: library.func("nvu_allocate", "uint64", ["uint64"]),
  free: library.func("nvu_free", "void", ["uint64"]),
  memfd: library.func("nvu_memfd", "int", ["uint64"]),
  map: library.func("nvu_map", "int", ["int", "uint64", "uint64", "int", "void *"]),
  unmap: library.func("nvu_unmap", "int", ["uint64", "uint64"]),
  openRead: library.func("nvu_open_read", "int", ["void *"]),
  close: library.func("nvu_close", "int", ["int"]),
  eventfd: library.func("nvu_eventfd", "int", []),
  signal: library.func("nvu_signal", "int", ["int"]),
  drain: library.func("nvu_drain", "int", ["int"]),
  poll: library.func("nvu_poll", "int", ["uint64", "uint32", "int"]),
  epoll: library.func("nvu_epoll", "int", []),
  epollAdd: library.func("nvu_epoll_add", "int", ["int", "int", "uint32", "int"]),
  epollRemove: library.func("nvu_epoll_remove", "int", ["int", "int"]),
  epollWait: library.func("nvu_epoll_wait", "int", ["int", "uint64", "uint32", "int"]),
  writable: library.func("nvu_writable", "int", ["int"]),
  isEventfd: library.func("nvu_is_eventfd", "int", ["int"]),
  setNonblocking: library.func("nvu_set_nonblocking", "int", ["int"]),
  isSharedMemory: library.func("nvu_is_shared_memory", "int", ["int"]),
  fileFacts: library.func("nvu_file_facts", "int", ["int", "void *"]),
  syncFileRange: library.func("sync_file_range", "int", ["int", "int64", "int64", "uint32"]),
  punchHole: library.func("nvu_punch_hole", "int", ["int", "uint64", "uint64"]),
  listen: library.func("nvu_listen", "int", ["void *", "uint32", "int", "int"]),
  connect: library.func("nvu_connect", "int", ["void *", "int"]),
  accept: library.func("nvu_accept", "int", ["int"]),
  group: library.func("nvu_group", "int", ["void *"]),
  send: library.func("nvu_send", "int", ["int", "void *", "uint32", "void *", "uint32"]),
  receive: library.func("nvu_receive", "int", [
    "int",
    "void *",
    "uint32",
    "void *",
    "uint32",
    "void *",
    "int",
  ]),
  guardAdd: library.func("nvu_guard_add", "int", ["uint64", "uint64"]),
  guardRemove: library.func("nvu_guard_remove", "int", ["uint64"]),
  guestFaults: library.func("nvu_guest_faults", "uint64", []),
  copyOut: library.func("nvu_copy_out", "int", ["void *", "uint64", "uint64"]),
  copy: library.func("nvu_copy", "uint32", ["uint64", "uint32", "uint32", "int"]),
};

/** A path or name as C wants it. @throws TypeError when it holds a NUL. */
export function terminated(text: string | Uint8Array): Uint8Array {
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  if (bytes.includes(0)) throw new TypeError("a path cannot hold a NUL byte");
  const copy = new Uint8Array(bytes.length + 1);
  copy.set(bytes);
  return copy;
}
