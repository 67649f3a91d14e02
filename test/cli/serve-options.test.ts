import { expect, it } from "vitest";
import { INODES_MAX, serveConfig } from "../../src/cli/commands/serve.ts";
import { MAX_INODES } from "../../src/fs/inode-table.ts";

const DEFAULTS = { queues: 1, spin: 50, maxInodes: 1000, logLevel: "info" } as const;

it("serveConfig() makes a frozen configuration with a socket of mode 0660", () => {
  const config = serveConfig({ ...DEFAULTS, store: "/s", socketPath: "/run/x" });
  expect(config).toEqual({
    storeDirectory: "/s",
    listen: { kind: "path", path: "/run/x", mode: 0o660 },
    requestQueues: 1,
    listRoot: false,
    showXattr: false,
    exitOnDisconnect: false,
    spinMicroseconds: 50,
    maxInodes: 1000,
  });
  expect(Object.isFrozen(config) && Object.isFrozen(config.listen)).toBe(true);
});

it("serveConfig() takes what is said about socket, root and tag", () => {
  const options = { store: "/s", socketPath: "x", socketMode: 0o600, socketGroup: "kvm" };
  const config = serveConfig({ ...DEFAULTS, ...options, root: "debian", tag: "t", listRoot: true });
  expect(config).toMatchObject({ root: "debian", tag: "t", listRoot: true });
  expect(config.listen).toEqual({ kind: "path", path: "x", mode: 0o600, group: "kvm" });
});

it("serveConfig() takes an inherited socket", () => {
  expect(serveConfig({ ...DEFAULTS, store: "/s", fd: 3 }).listen).toEqual({ kind: "fd", fd: 3 });
});

it("--max-inodes goes as far as the inode table does", () => {
  expect(INODES_MAX).toBe(MAX_INODES);
});
