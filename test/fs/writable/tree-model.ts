/** A tree as a plain value: what a file system has to show after the same operations. */
import type { NodeId } from "../../../src/base/brands.ts";
import { inoOf } from "../kernel.ts";
import { ROOT, type WritingKernel } from "./writing-kernel.ts";

export interface ModelInode {
  readonly kind: "file" | "directory" | "symlink";
  mode: number;
  uid: number;
  links: number;
  content: Buffer;
  target: string;
  readonly entries: Map<string, ModelInode>;
  readonly xattrs: Map<string, string>;
}

export function modelInode(kind: ModelInode["kind"], mode: number): ModelInode {
  return {
    kind,
    mode,
    uid: 0,
    links: kind === "directory" ? 2 : 1,
    content: Buffer.alloc(0),
    target: "",
    entries: new Map(),
    xattrs: new Map(),
  };
}

const TYPES = { file: 0o100000, directory: 0o040000, symlink: 0o120000 };

/** All paths of a model with what stat(2), read(2) and the like say, and which are one inode. */
export function shownByModel(root: ModelInode): Map<string, string> {
  const shown = new Map<string, string>();
  const firsts = new Map<ModelInode, string>();
  const visit = (inode: ModelInode, path: string): void => {
    const first = firsts.get(inode) ?? path;
    firsts.set(inode, first);
    const bytes = inode.kind === "symlink" ? inode.target : inode.content.toString("latin1");
    const mode = (TYPES[inode.kind] | inode.mode).toString(8);
    const xattrs = JSON.stringify([...inode.xattrs].sort());
    shown.set(path, `${mode} ${inode.uid} ${inode.links} ${bytes} ${xattrs} ${first}`);
    for (const [name, child] of [...inode.entries].sort()) visit(child, `${path}/${name}`);
  };
  visit(root, "");
  return shown;
}

/** The same of a file system. */
export function shownByKernel(kernel: WritingKernel): Map<string, string> {
  const shown = new Map<string, string>();
  const firsts = new Map<string, string>();
  const visit = (node: NodeId, path: string): void => {
    const attributes = kernel.attributes(node);
    const ino = inoOf(attributes);
    const first = firsts.get(ino) ?? path;
    firsts.set(ino, first);
    const type = attributes.mode & 0o170000;
    let bytes = "";
    if (type === TYPES.symlink) bytes = (kernel.readlink(node) as Buffer).toString("latin1");
    if (type === TYPES.file) bytes = kernel.contentOf(node).toString("latin1");
    const names = kernel.xattrs(node);
    const xattrs = JSON.stringify(
      (names as string[]).map((name) => [name, kernel.xattr(node, name)]).sort(),
    );
    const { mode, uid, nlink } = attributes;
    shown.set(path, `${mode.toString(8)} ${uid} ${nlink} ${bytes} ${xattrs} ${first}`);
    if (type !== TYPES.directory) return;
    for (const name of kernel.namesIn(node).sort()) {
      if (kernel.lookup(node, name) !== 0) throw new Error(`${path}/${name} is listed, not there`);
      const child = kernel.entry.nodeid;
      visit(child, `${path}/${name}`);
      kernel.fs.forget(child, 1);
    }
  };
  visit(ROOT, "");
  return shown;
}
