import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { closeFd, connectUnix } from "node-vhost-user";
import { describe, expect, it } from "vitest";
import { castorefs, temporaryDirectory } from "./command-line.ts";

const BUILT = fileURLToPath(new URL("../../.cache/native", import.meta.url));

/** A store with one root, and a copy of the native libraries that lacks some. */
async function incomplete(...missing: string[]) {
  const folder = temporaryDirectory();
  const source = join(folder, "tree");
  mkdirSync(source);
  writeFileSync(join(source, "hello"), "Hello World!");
  const store = join(folder, "store");
  expect((await castorefs(["import", "--store", store, source])).code).toBe(0);
  const libraries = join(folder, "native");
  cpSync(BUILT, libraries, { recursive: true });
  for (const file of missing) rmSync(join(libraries, file));
  const socket = join(folder, "socket");
  const serving = castorefs(
    ["serve", "--store", store, "--root", "tree", "--socket-path", socket],
    {
      env: { NODE_VHOST_USER_NATIVE: libraries },
    },
  );
  return { socket, serving };
}

describe("without its native libraries", () => {
  it("serve names what is missing and how to build it", async () => {
    const { code, err } = await (await incomplete("shim.so")).serving;
    expect(code).toBe(4);
    expect(err).toMatch(/^castorefs: shim\.so is not in .*\ncastorefs: hint: make build/);
  });

  it("serve ends in good order when the first client needs what is missing", async () => {
    const { socket, serving } = await incomplete("libvhost-user.so");
    await expect.poll(() => existsSync(socket), { timeout: 20_000 }).toBe(true);
    closeFd(connectUnix(socket));
    const { code, err } = await serving;
    expect(err).toContain("castorefs: the device thread failed: libvhost-user.so is not in ");
    expect(code).toBe(4);
    expect(existsSync(socket)).toBe(false);
  });
});
