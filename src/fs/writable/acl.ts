/**
 * POSIX ACLs as extended attributes hold them (acl(5), linux/posix_acl_xattr.h): a version, then
 * entries of a tag, permissions and an id, little-endian. With FUSE_POSIX_ACL the kernel checks
 * permissions by them and checks that they are well formed; what follows for modes is ours.
 */
export const ACL_ACCESS = "system.posix_acl_access";
export const ACL_DEFAULT = "system.posix_acl_default";

const VERSION = 2;
const HEADER_BYTES = 4;
const ENTRY_BYTES = 8;
const PERMISSIONS_AT = 2;

const ACL_USER_OBJ = 0x01;
const ACL_USER = 0x02;
const ACL_GROUP_OBJ = 0x04;
const ACL_GROUP = 0x08;
const ACL_MASK = 0x10;
const ACL_OTHER = 0x20;
const TAGS = ACL_USER_OBJ | ACL_USER | ACL_GROUP_OBJ | ACL_GROUP | ACL_MASK | ACL_OTHER;
const REQUIRED = ACL_USER_OBJ | ACL_GROUP_OBJ | ACL_OTHER;

const ALL = 0o7;
const RWX_BITS = 0o777;

/** An ACL that is kept as the bytes of its attribute. */
export class Acl {
  /** The attribute's value. */
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  private constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** A copy of `bytes` as an ACL; undefined: they are none. */
  static parse(bytes: Uint8Array): Acl | undefined {
    const entries = (bytes.length - HEADER_BYTES) / ENTRY_BYTES;
    if (!Number.isInteger(entries) || entries < 1) return undefined;
    const acl = new Acl(Uint8Array.from(bytes));
    if (acl.#view.getUint32(0, true) !== VERSION) return undefined;
    let seen = 0;
    for (let at = HEADER_BYTES; at < bytes.length; at += ENTRY_BYTES) {
      const tag = acl.#view.getUint16(at, true);
      const known = (tag & TAGS) === tag && tag !== 0 && (tag & (tag - 1)) === 0;
      if (!known || acl.#permissions(at) > ALL) return undefined;
      seen |= tag;
    }
    const needsMask = (seen & (ACL_USER | ACL_GROUP)) !== 0;
    if ((seen & REQUIRED) !== REQUIRED || (needsMask && (seen & ACL_MASK) === 0)) return undefined;
    return acl;
  }

  /** It says no more than a mode does. */
  get isMinimal(): boolean {
    return this.bytes.length === HEADER_BYTES + 3 * ENTRY_BYTES;
  }

  /** The nine permission bits that it comes to: the mask, if there is one, stands for the group. */
  get mode(): number {
    return (
      (this.#permissionsOf(ACL_USER_OBJ) << 6) |
      (this.#permissionsOf(this.#groupTag) << 3) |
      this.#permissionsOf(ACL_OTHER)
    );
  }

  /** After chmod(2). */
  withMode(mode: number): Acl {
    const acl = new Acl(Uint8Array.from(this.bytes));
    acl.#set(ACL_USER_OBJ, mode >> 6);
    acl.#set(this.#groupTag, mode >> 3);
    acl.#set(ACL_OTHER, mode);
    return acl;
  }

  /** What this default ACL makes of a new inode's mode: no more than both allow. */
  inheritedMode(mode: number): number {
    return (mode & ~RWX_BITS) | (mode & this.mode);
  }

  get #groupTag(): number {
    return this.#find(ACL_MASK) === 0 ? ACL_GROUP_OBJ : ACL_MASK;
  }

  #find(tag: number): number {
    for (let at = HEADER_BYTES; at < this.bytes.length; at += ENTRY_BYTES) {
      if (this.#view.getUint16(at, true) === tag) return at;
    }
    return 0;
  }

  #permissions(at: number): number {
    return this.#view.getUint16(at + PERMISSIONS_AT, true);
  }

  #permissionsOf(tag: number): number {
    return this.#permissions(this.#find(tag));
  }

  #set(tag: number, permissions: number): void {
    this.#view.setUint16(this.#find(tag) + PERMISSIONS_AT, permissions & ALL, true);
  }
}
