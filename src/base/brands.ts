/**
 * Numbers that must not be mixed up carry a brand: a type that only a cast at the place where the
 * number is born can give. All of them fit in a double without rounding (< 2^53).
 */
declare const brand: unique symbol;
type Brand<Name extends string> = number & { readonly [brand]: Name };

/** An address in this process, inside a mapping outside V8's heap. Bytes. */
export type HostAddress = Brand<"HostAddress">;

/** A FUSE nodeid (`fuse_in_header.nodeid`): names an inode between LOOKUP and FORGET. */
export type NodeId = Brand<"NodeId">;
