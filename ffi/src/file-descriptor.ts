/** File descriptors as plain numbers. */
import { checked } from "./errors.ts";
import { shim } from "./shim.ts";

/** @throws SystemError EBADF when it was not open: somebody closed it twice. */
export function closeFd(fd: number): void {
  checked(shim.close(fd), "close");
}
