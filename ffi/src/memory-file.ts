/**
 * What guest memory may consist of. Touching a page of a file asks its file system for it, and one
 * in user space (FUSE) may never answer: the thread would hang, and even asking the file for its
 * size would. So the kind is found out first, in ways that ask the kernel only.
 */
import { readFileSync } from "node:fs";
import { demand } from "./refusal.ts";
import { shim } from "./shim.ts";

/** Pages up to this size are no huge pages (arm64 has 64 KiB). */
const SMALL_PAGE_BYTES_MAX = 65536;

const facts = new BigUint64Array(2);

/**
 * The file behind `fd` must be fit to be guest memory, and have `end` bytes. Returns the size of its pages.
 * @throws Refusal
 */
export function checkMemoryFile(fd: number, end: number): number {
  if (shim.isSharedMemory(fd) !== 1) {
    const type = fileSystemOf(fd);
    demand(type !== undefined && !type.startsWith("fuse"), `memory on ${type ?? "no file system"}`);
  }
  demand(shim.fileFacts(fd, facts) === 1, "memory that is not a file");
  demand(end <= Number(facts[0]), "a memory region beyond the end of its file");
  const pageBytes = Number(facts[1]);
  // A mapping of huge pages can only be taken away whole.
  const isWhole = pageBytes <= SMALL_PAGE_BYTES_MAX || end % pageBytes === 0;
  demand(isWhole, "a part of a huge page");
  return pageBytes;
}

/** The type of the file system that holds an open file; undefined: not mounted in our sight. */
function fileSystemOf(fd: number): string | undefined {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, "utf8");
  const mount = /^mnt_id:\s*(\d+)$/m.exec(info)?.[1];
  // proc(5): mount ID, ..., " - ", type, source, options.
  for (const line of readFileSync("/proc/self/mountinfo", "utf8").split("\n")) {
    if (line.startsWith(`${mount} `)) return line.split(" - ")[1]?.split(" ")[0];
  }
  return undefined;
}
