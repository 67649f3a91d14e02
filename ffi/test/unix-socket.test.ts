import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  acceptUnix,
  closeFd,
  connectUnix,
  EventFd,
  ListenError,
  listenUnix,
  PollSet,
  receiveMessage,
  sendMessage,
  tryReceiveMessage,
} from "node-vhost-user";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "nvu-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

function pair(): { server: number; client: number } {
  const listening = listenUnix(join(directory, "pair"));
  const client = connectUnix(join(directory, "pair"));
  const server = acceptUnix(listening)!;
  closeFd(listening);
  return { server, client };
}

function listenErrorOf(run: () => unknown): ListenError {
  try {
    run();
  } catch (error) {
    if (error instanceof ListenError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("listenUnix()", () => {
  it("makes a socket that owner and group may use, and no one else", () => {
    const path = join(directory, "s");
    const fd = listenUnix(path);
    expect(statSync(path).mode & 0o777).toBe(0o660);
    closeFd(fd);
  });

  it("takes another mode and a group by number or name", () => {
    const path = join(directory, "s");
    closeFd(listenUnix(path, { mode: 0o600, group: process.getgid!() }));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    closeFd(listenUnix(path, { group: "root" }));
    expect(listenErrorOf(() => listenUnix(path, { group: "no-such-group-here" })).code).toBe(
      "no-such-group",
    );
  });

  it("replaces a socket file that nobody answers on", () => {
    const path = join(directory, "s");
    closeFd(listenUnix(path));
    const fd = listenUnix(path);
    closeFd(connectUnix(path));
    closeFd(fd);
  });

  it("refuses a path that somebody listens on, and leaves it alone", () => {
    const path = join(directory, "s");
    const fd = listenUnix(path);
    expect(listenErrorOf(() => listenUnix(path)).code).toBe("in-use");
    closeFd(connectUnix(path));
    closeFd(fd);
  });

  it("refuses a path that is taken by something else, too long, or in no directory", () => {
    const path = join(directory, "file");
    writeFileSync(path, "precious");
    expect(listenErrorOf(() => listenUnix(path)).code).toBe("not-a-socket");
    expect(listenErrorOf(() => listenUnix(`/tmp/${"x".repeat(120)}`)).code).toBe("name-too-long");
    expect(listenErrorOf(() => listenUnix(join(directory, "no/s"))).code).toBe("system");
  });
});

describe("messages", () => {
  it("acceptUnix() answers undefined when no client waits", () => {
    const fd = listenUnix(join(directory, "s"));
    expect(acceptUnix(fd)).toBeUndefined();
    closeFd(fd);
  });

  it("carry bytes and file descriptors", () => {
    const { server, client } = pair();
    using event = new EventFd();
    sendMessage(client, Buffer.from("hello"), [event.fd]);
    const buffer = new Uint8Array(16);
    const { length, fds } = receiveMessage(server, buffer);
    expect(Buffer.from(buffer.subarray(0, length)).toString()).toBe("hello");
    expect(fds).toHaveLength(1);
    using received = EventFd.adopt(fds[0]!);
    received.signal();
    expect(event.drain()).toBe(true);
    expect(event.drain()).toBe(false);
    closeFd(client);
    expect(receiveMessage(server, buffer)).toEqual({ length: 0, fds: [] });
    closeFd(server);
  });

  it("with more file descriptors than expected are refused, and none stays open", () => {
    const { server, client } = pair();
    using event = new EventFd();
    sendMessage(client, new Uint8Array(1), Array(9).fill(event.fd));
    const before = openFds();
    expect(() => receiveMessage(server, new Uint8Array(1), 8)).toThrow(/EMSGSIZE|too long/i);
    expect(openFds()).toBe(before);
    closeFd(server);
    expect(() => sendMessage(client, new Uint8Array(1))).toThrow(/EPIPE|broken pipe/i);
    closeFd(client);
  });

  it("tryReceiveMessage() answers undefined when there is nothing yet", () => {
    const { server, client } = pair();
    expect(tryReceiveMessage(server, new Uint8Array(1))).toBeUndefined();
    closeFd(server);
    closeFd(client);
  });
});

describe("PollSet", () => {
  it("says which of its places can be read, and forgets the rest", () => {
    using one = new EventFd();
    using two = new EventFd();
    using set = new PollSet(3);
    set.set(0, one.fd);
    set.set(2, two.fd);
    expect(set.wait(0)).toBe(0);
    two.signal();
    expect(set.wait(-1)).toBe(1);
    expect([set.isReady(0), set.isReady(1), set.isReady(2)]).toEqual([false, false, true]);
    set.set(2, -1);
    expect(set.isReady(2)).toBe(false);
    expect(set.wait(0)).toBe(0);
  });
});

function openFds(): number {
  let count = 0;
  for (let fd = 0; fd < 256; fd++) {
    try {
      statSync(`/proc/self/fd/${fd}`);
      count++;
    } catch {
      // Not open.
    }
  }
  return count;
}
