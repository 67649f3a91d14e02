import { mkdtempSync, rmSync, statSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import fc from "fast-check";
import { expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/base/logger.ts";
import { LayerHold } from "../../src/layer/control-client.ts";
import { CONTROL_LINE_BYTES_MAX } from "../../src/layer/control-protocol.ts";
import { ControlServer, type LayerHolder } from "../../src/layer/control-server.ts";

/** Notes what it is told; a hold waits for `ready`. */
class Holder implements LayerHolder {
  readonly calls: string[] = [];
  ready: Promise<void> = Promise.resolve();

  async hold(): Promise<void> {
    this.calls.push("hold");
    await this.ready;
  }

  pinned(): void {
    this.calls.push("pinned");
  }

  release(): void {
    this.calls.push("release");
  }
}

async function served(holder: LayerHolder): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), "castorefs-control-"));
  const path = join(directory, "control.sock");
  const server = await ControlServer.listen(path, holder, silentLogger);
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });
  return path;
}

it("a command holds a layer, pins its snapshot, and releases it by going away", async () => {
  const holder = new Holder();
  const path = await served(holder);
  const [hold, milliseconds] = await LayerHold.take(path);
  expect(milliseconds).toBeGreaterThanOrEqual(0);
  await hold.pinned();
  expect(holder.calls).toEqual(["hold", "pinned"]);
  hold[Symbol.dispose]();
  await expect.poll(() => holder.calls).toEqual(["hold", "pinned", "release"]);
});

it("only the owner may talk to a layer's daemon", async () => {
  expect(statSync(await served(new Holder())).mode & 0o777).toBe(0o600);
});

it("a second command is refused while a layer is held, and served afterwards", async () => {
  const holder = new Holder();
  const path = await served(holder);
  const [hold] = await LayerHold.take(path);
  await expect(LayerHold.take(path)).rejects.toThrow(/another command/);
  hold[Symbol.dispose]();
  await expect.poll(() => holder.calls).toEqual(["hold", "release"]);
  const [second] = await LayerHold.take(path);
  second[Symbol.dispose]();
});

it("a command that goes away before the layer is held releases it once, when it is held", async () => {
  const holder = new Holder();
  const { promise, resolve } = Promise.withResolvers<void>();
  holder.ready = promise;
  const path = await served(holder);
  const socket = connect(path);
  socket.write('{"op":"hold"}\n');
  await expect.poll(() => holder.calls).toEqual(["hold"]);
  socket.destroy();
  await delay(20);
  await expect(LayerHold.take(path)).rejects.toThrow(/another command/);
  expect(holder.calls).toEqual(["hold"]);
  resolve();
  await expect.poll(() => holder.calls).toEqual(["hold", "release"]);
});

it("a hold that fails says why, and is released", async () => {
  const holder = new Holder();
  const path = await served(holder);
  holder.ready = Promise.reject(new Error("the disk is full"));
  holder.ready.catch(() => {});
  await expect(LayerHold.take(path)).rejects.toThrow(/the disk is full/);
  expect(holder.calls).toEqual(["hold", "release"]);
});

it("pinning what is not held is refused", async () => {
  const holder = new Holder();
  const answer = await ask(await served(holder), '{"op":"pinned"}\n');
  expect(JSON.parse(answer)).toEqual({ ok: false, message: "nothing is held" });
  expect(holder.calls).toEqual([]);
});

it("a daemon that goes away is noticed by whoever holds its layer", async () => {
  const directory = mkdtempSync(join(tmpdir(), "castorefs-control-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const path = join(directory, "control.sock");
  const server = await ControlServer.listen(path, new Holder(), silentLogger);
  const [hold] = await LayerHold.take(path);
  expect(() => hold.check()).not.toThrow();
  await server[Symbol.asyncDispose]();
  await expect.poll(() => checked(hold)).toMatch(/gone away/);
});

it("whatever bytes come, the socket goes on serving", async () => {
  const holder = new Holder();
  const path = await served(holder);
  const lines = fc.oneof(
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    fc.json().map((text) => Buffer.from(`${text}\n`)),
    fc.constant(Buffer.alloc(2 * CONTROL_LINE_BYTES_MAX, "x")),
  );
  await fc.assert(
    fc.asyncProperty(lines, async (bytes) => {
      await ask(path, bytes);
      const [hold] = await LayerHold.take(path);
      hold[Symbol.dispose]();
      await expect.poll(() => holder.calls.at(-1)).toBe("release");
    }),
    { numRuns: 30 },
  );
});

/** What comes back before the server, or this end, has had enough. */
async function ask(path: string, bytes: string | Uint8Array): Promise<string> {
  const socket = connect(path);
  const parts: Buffer[] = [];
  const ended = Promise.withResolvers<string>();
  socket.on("data", (part) => parts.push(part));
  socket.on("error", () => {});
  socket.on("close", () => ended.resolve(Buffer.concat(parts).toString()));
  socket.end(bytes);
  return await ended.promise;
}

function checked(hold: LayerHold): string {
  try {
    hold.check();
    return "";
  } catch (error) {
    return String(error);
  }
}
