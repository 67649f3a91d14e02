/** How nodes are shown: to people in a line, to scripts as JSON. */
import type { Node } from "../castore/node.ts";
import { bytesFigure, countFigure } from "./figures.ts";
import { jsonName } from "./name-text.ts";
import type { Output, Style } from "./output.ts";

/** `entries` counts all entries below a directory; `size` is in bytes. */
export type NodeJson =
  | { kind: "directory"; digest: string; entries: number }
  | { kind: "file"; digest: string; size: number; executable: boolean }
  | { kind: "symlink"; target: string; targetBase64?: string };

export function nodeJson(node: Node): NodeJson {
  if (node.kind === "directory") {
    return { kind: node.kind, digest: node.digest.toString(), entries: node.size };
  }
  if (node.kind === "file") {
    const { size, executable } = node;
    return { kind: node.kind, digest: node.digest.toString(), size, executable };
  }
  const { name, nameBase64 } = jsonName(node.target);
  const exact = nameBase64 === undefined ? {} : { targetBase64: nameBase64 };
  return { kind: node.kind, target: name, ...exact };
}

/** The colour of a name, as ls has it. */
export function nodeStyle(node: Node): Style | undefined {
  if (node.kind === "directory") return "blue";
  if (node.kind === "symlink") return "cyan";
  return node.executable ? "green" : undefined;
}

/** A name with what tells its kind: `lib/`, `run*`, `link -> target`. */
export function nameParts(out: Output, name: Uint8Array, node: Node): (string | Uint8Array)[] {
  const shown = out.name(name, nodeStyle(node));
  if (node.kind === "directory") return [shown, "/"];
  if (node.kind === "symlink") return [shown, " -> ", out.name(node.target)];
  return node.executable ? [shown, "*"] : [shown];
}

/** Mode, size and digest in columns. A symlink has no digest: its target is in the directory. */
export function nodeColumns(node: Node): string {
  const digest = node.kind === "symlink" ? "-" : node.digest.toString();
  return `${modeText(node)} ${sizeText(node).padStart(15)}  ${digest.padEnd(51)}`;
}

/** As a mounted share shows it. */
export function modeText(node: Node): string {
  if (node.kind === "directory") return "dr-xr-xr-x";
  if (node.kind === "symlink") return "lrwxrwxrwx";
  return node.executable ? "-r-xr-xr-x" : "-r--r--r--";
}

function sizeText(node: Node): string {
  if (node.kind === "directory") return countFigure(node.size, "entry", "entries");
  if (node.kind === "file") return bytesFigure(node.size);
  return bytesFigure(node.target.length);
}
