import { type AddressInfo, connect, createServer } from "node:net";
import { expect, it } from "vitest";
import { noise } from "../store/temporary.ts";
import { SlowLink } from "./slow-link.ts";

/** A server that says `answer` to whoever connects, and hangs up. */
async function sayer(answer: Uint8Array) {
  const server = createServer((socket) => socket.end(answer));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    port: (server.address() as AddressInfo).port,
    [Symbol.dispose]: () => void server.close(),
  };
}

async function hear(port: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const socket = connect(port, "127.0.0.1");
  for await (const piece of socket) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

it("a slow line carries every byte, counts it, and takes its time", async () => {
  const answer = noise(3_000_000, 1);
  using server = await sayer(answer);
  await using link = await SlowLink.open({
    serverPort: server.port,
    latencyMilliseconds: 40,
    bitsPerSecond: 100_000_000,
  });
  const begun = performance.now();
  expect((await hear(link.port)).equals(answer)).toBe(true);
  // 240 ms for the bytes and 20 for the way; a timer may fire a millisecond early.
  expect(performance.now() - begun).toBeGreaterThan(255);
  expect(link.bytesDown).toBe(answer.length);
});

it("a line that went dead cuts connections, and carries again when it is back", async () => {
  const answer = noise(1000, 2);
  using server = await sayer(answer);
  await using link = await SlowLink.open({ serverPort: server.port, latencyMilliseconds: 0 });
  link.die();
  await expect(hear(link.port).then((bytes) => bytes.length)).resolves.toBe(0);
  link.revive();
  expect((await hear(link.port)).equals(answer)).toBe(true);
});

it("a line that garbles changes as many bytes as it was told", async () => {
  const answer = new Uint8Array(100_000);
  using server = await sayer(answer);
  await using link = await SlowLink.open({ serverPort: server.port, latencyMilliseconds: 0 });
  link.garbleEvery = 1000;
  const heard = await hear(link.port);
  expect(heard.filter((byte) => byte !== 0).length).toBe(100);
});
