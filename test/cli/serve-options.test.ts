import { expect, it } from "vitest";
import { INODES_MAX } from "../../src/cli/commands/serve.ts";
import { serveConfig } from "../../src/cli/serve-config.ts";
import { DEVICES_MAX } from "../../src/daemon/serve-config.ts";
import { MAX_INODES } from "../../src/fs/inode-table.ts";

const DEFAULTS = {
  queues: 1,
  spin: 50,
  maxInodes: 1000,
  verify: "first-read",
  sourceTimeout: 30,
  logLevel: "info",
} as const;

it("serveConfig() makes a frozen configuration with a socket of mode 0660", () => {
  const config = serveConfig({ ...DEFAULTS, store: "/s", socketPath: ["/run/x"] });
  expect(config).toEqual({
    storeDirectory: "/s",
    listen: [{ kind: "path", path: "/run/x", mode: 0o660 }],
    requestQueues: 1,
    listRoot: false,
    showXattr: false,
    exitOnDisconnect: false,
    spinMicroseconds: 50,
    maxInodes: 1000,
    verify: "first-read",
  });
  expect([config, config.listen, config.listen[0]].every(Object.isFrozen)).toBe(true);
});

it("serveConfig() takes what is said about socket, root and tag", () => {
  const options = { store: "/s", socketPath: ["x"], socketMode: 0o600, socketGroup: "kvm" };
  const config = serveConfig({ ...DEFAULTS, ...options, root: "debian", tag: "t", listRoot: true });
  expect(config).toMatchObject({ root: "debian", tag: "t", listRoot: true });
  expect(config.listen).toEqual([{ kind: "path", path: "x", mode: 0o600, group: "kvm" }]);
});

it("serveConfig() takes an inherited socket", () => {
  expect(serveConfig({ ...DEFAULTS, store: "/s", fd: 3 }).listen).toEqual([{ kind: "fd", fd: 3 }]);
});

it("serveConfig() takes a socket for each machine, none twice, and not too many", () => {
  const listenOn = (...socketPath: string[]) =>
    serveConfig({ ...DEFAULTS, store: "/s", socketPath });
  expect(listenOn("a", "b").listen.map((one) => one.kind === "path" && one.path)).toEqual([
    "a",
    "b",
  ]);
  expect(() => listenOn("a", "b", "a")).toThrow("a is given twice");
  const many = Array.from({ length: DEVICES_MAX + 1 }, (_, index) => `${index}`);
  expect(() => listenOn(...many)).toThrow(`${DEVICES_MAX} virtual machines`);
  expect(listenOn(...many.slice(1)).listen).toHaveLength(DEVICES_MAX);
});

it("serveConfig() takes what is said about sources", () => {
  const sources = (options: object) =>
    serveConfig({ ...DEFAULTS, store: "/s", fd: 3, source: ["/a", "http://b"], ...options })
      .sources;
  expect(sources({})).toEqual({
    addresses: ["/a", "http://b"],
    timeoutSeconds: 30,
    trustChunkLists: false,
  });
  expect(
    sources({ trustChunkLists: true, sourceBandwidth: 5e6, sourceConcurrency: 9 }),
  ).toMatchObject({
    trustChunkLists: true,
    bytesPerSecond: 5e6,
    concurrency: 9,
  });
  expect(sources({ prefetch: "all", root: "x" })?.prefetch).toEqual({ kind: "all" });
  expect(() => sources({ prefetch: "all" })).toThrow("--prefetch all needs a root");
  expect(sources({ prefetch: "./all" })?.prefetch).toEqual({ kind: "recording", path: "./all" });
  expect(() => sources({ source: undefined, prefetch: "all" })).toThrow(
    "--prefetch needs a source",
  );
});

it("--max-inodes goes as far as the inode table does", () => {
  expect(INODES_MAX).toBe(MAX_INODES);
});

it("serveConfig() makes a share writable for one machine, with a root", () => {
  const writable = (options: object) =>
    serveConfig({ ...DEFAULTS, store: "/s", socketPath: ["a"], root: "debian", ...options })
      .writable;
  expect(writable({})).toBeUndefined();
  const MEBIBYTE = 1024 * 1024;
  expect(writable({ writable: true })).toEqual({ memoryBytes: 256 * MEBIBYTE });
  const chosen = { writable: true, layer: "/l", layerMemory: 16 * MEBIBYTE, layerSize: 2 ** 30 };
  expect(writable(chosen)).toEqual({
    layerDirectory: "/l",
    memoryBytes: 16 * MEBIBYTE,
    layerBytes: 2 ** 30,
  });
  expect(() => writable({ writable: true, root: undefined })).toThrow("--writable needs a root");
  expect(() => writable({ writable: true, socketPath: ["a", "b"] })).toThrow("one virtual machine");
  for (const [option, name] of [
    ["layer", "--layer"],
    ["layerMemory", "--layer-memory"],
    ["layerSize", "--layer-size"],
  ] as const) {
    expect(() => writable({ [option]: 1 })).toThrow(`${name} needs a share that can be written to`);
  }
});
