/**
 * A cpio archive in the "newc" form that the kernel unpacks as (a further part of) its initramfs:
 * Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's source.
 */

const FILE_MODE = 0o100755;
const ALIGNMENT = 4;

/** Packs files, by path, into one archive. Directories are not made: name files at the top. */
export function packArchive(files: Readonly<Record<string, string | Uint8Array>>): Buffer {
  const parts: Buffer[] = [];
  let inode = 1;
  for (const [path, content] of Object.entries(files)) {
    parts.push(...member(path, inode++, FILE_MODE, Buffer.from(content)));
  }
  parts.push(...member("TRAILER!!!", 0, 0, Buffer.alloc(0)));
  return Buffer.concat(parts);
}

/** Bytes of padding that make the next thing start at a multiple of 4, as the kernel wants it. */
export function paddingAfter(length: number): Buffer {
  return Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);
}

function member(path: string, inode: number, mode: number, content: Buffer): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}`;
  const head = Buffer.concat([Buffer.from(header, "latin1"), name]);
  return [head, paddingAfter(head.length), content, paddingAfter(content.length)];
}
