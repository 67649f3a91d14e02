/** Random changes to a layer over the sample tree of layer-rig.ts. */
import fc from "fast-check";
import { directory, file, type LayerBuilder, type Model, symlink } from "./layer-builder.ts";

const MIB = 1024 * 1024;

export type Operation =
  | { readonly op: "create"; readonly path: string; readonly model: Model }
  | {
      readonly op: "write";
      readonly path: string;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  | { readonly op: "truncate"; readonly path: string; readonly size: number }
  | { readonly op: "remove"; readonly path: string }
  | { readonly op: "rename" | "link"; readonly path: string; readonly to: string }
  | { readonly op: "executable"; readonly path: string };

/** Steps over paths of the sample and some more. */
export function operations(): fc.Arbitrary<Operation[]> {
  const name = fc.constantFrom("bin", "etc", "var", "log", "a", "b", "passwd", "x", "big", "apt");
  const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"));
  const model: fc.Arbitrary<Model> = fc.oneof(
    fc.string().map((text) => file(text)),
    fc.string({ minLength: 1 }).map((text) => symlink(text.replaceAll("\0", "-"))),
    fc.string().map((text) => directory({ inner: file(text, true) })),
  );
  const offset = fc.oneof(fc.nat(20), fc.nat(3 * MIB));
  return fc.array(
    fc.oneof(
      fc.record({ op: fc.constant("create" as const), path, model }),
      fc.record({
        op: fc.constant("write" as const),
        path,
        offset,
        bytes: fc.uint8Array({ minLength: 1, maxLength: 50 }),
      }),
      fc.record({ op: fc.constant("truncate" as const), path, size: offset }),
      fc.record({ op: fc.constant("remove" as const), path }),
      fc.record({ op: fc.constantFrom("rename" as const, "link" as const), path, to: path }),
      fc.record({ op: fc.constant("executable" as const), path }),
    ),
    { maxLength: 25 },
  );
}

/** Does what makes sense, and leaves the rest. */
export function apply(builder: LayerBuilder, step: Operation): void {
  const found = builder.find(step.path);
  const isRoom = (path: string) =>
    builder.find(path) === undefined &&
    builder.find(path.slice(0, Math.max(0, path.lastIndexOf("/"))))?.kind === "directory";
  if (step.op === "create") {
    if (isRoom(step.path)) builder.create(step.path, step.model);
  } else if (found === undefined) {
    return;
  } else if (step.op === "remove") {
    builder.remove(step.path);
  } else if (step.op === "rename") {
    if (isRoom(step.to) && !`${step.to}/`.startsWith(`${step.path}/`)) {
      builder.rename(step.path, step.to);
    }
  } else if (found.kind !== "file") {
    return;
  } else if (step.op === "write") {
    builder.write(step.path, step.offset, step.bytes);
  } else if (step.op === "truncate") {
    builder.truncate(step.path, step.size);
  } else if (step.op === "link") {
    if (isRoom(step.to)) builder.link(step.path, step.to);
  } else {
    builder.setExecutable(step.path, !found.executable);
  }
}
