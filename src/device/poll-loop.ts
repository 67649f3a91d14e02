/**
 * The device thread's loop: one blocking epoll_wait(2) over the wake eventfd, the listening socket, the
 * client's vhost-user socket and the kick eventfds. One client at a time; others wait in the
 * listening socket's backlog.
 */
import { acceptUnix, closeFd, EpollSet, guestMemoryFaulted, SystemError } from "node-vhost-user";
import type { Logger } from "../base/logger.ts";
import type { FuseServer } from "../fuse/server.ts";
import type { NativeCopy } from "../virtio/native-copy.ts";
import { Connection } from "./connection.ts";
import type { ControlPort } from "./control-port.ts";
import type { DeviceThreadConfig } from "./messages.ts";
import { Spinner } from "./spinner.ts";

/** Places in the set of descriptors. The kick eventfds of the queues follow. */
const WAKE = 0;
const LISTEN = 1;
const CLIENT = 2;
const FIRST_KICK = 3;

/**
 * Rounds over the queues between two looks at the sockets: a busy guest must not deafen us. Each may
 * spin, so this bounds how long a message waits, too.
 */
const ROUNDS_PER_POLL = 64;

/** How long to leave the listening socket alone when a client could not be accepted. */
const ACCEPT_RETRY_MILLISECONDS = 1000;

export type LoopEnd = "stopped" | "disconnected";

export class PollLoop implements Disposable {
  readonly #config: DeviceThreadConfig;
  readonly #server: FuseServer;
  readonly #native: NativeCopy;
  readonly #control: ControlPort;
  readonly #logger: Logger;
  readonly #spinner: Spinner;
  readonly #poll: EpollSet;
  /** -1 once the socket proved to be connected: then there is this one client only. */
  #listenFd: number;
  #acceptFailed = false;
  #connection: Connection | undefined;
  #end: LoopEnd | undefined;
  readonly #serveRoundOnce = () => this.#serveRound() > 0;

  constructor(
    config: DeviceThreadConfig,
    server: FuseServer,
    native: NativeCopy,
    control: ControlPort,
    logger: Logger,
  ) {
    this.#config = config;
    this.#server = server;
    this.#native = native;
    this.#control = control;
    this.#logger = logger;
    this.#spinner = new Spinner(config.spinMicroseconds);
    this.#poll = new EpollSet(FIRST_KICK + 1 + config.requestQueues);
    this.#poll.set(WAKE, control.wakeFd);
    this.#listenFd = config.socketFd;
    this.#poll.set(LISTEN, config.socketFd);
  }

  /** Serves until the control thread says stop, or the only client has gone. */
  run(): LoopEnd {
    let more = false;
    while (this.#end === undefined) {
      this.#wait(more ? 0 : this.#control.pollMilliseconds);
      this.#control.tick();
      more = this.#serve();
      this.#control.flush();
    }
    return this.#end;
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
    this.#connection = undefined;
    if (this.#listenFd >= 0) closeFd(this.#listenFd);
    this.#poll[Symbol.dispose]();
  }

  #wait(timeoutMilliseconds: number): void {
    const before = this.#spinner.isOn ? performance.now() : 0;
    const limit = this.#acceptFailed ? ACCEPT_RETRY_MILLISECONDS : timeoutMilliseconds;
    if (this.#poll.wait(timeoutMilliseconds === 0 ? 0 : limit) === 0) {
      if (timeoutMilliseconds !== 0) this.#resumeAccepting();
      return;
    }
    if (this.#spinner.isOn && this.#kicked()) this.#spinner.woken(performance.now() - before);
    if (this.#poll.isReady(WAKE)) this.#takeMessages();
    if (this.#poll.isReady(LISTEN)) this.#accept();
    if (this.#poll.isReady(CLIENT)) this.#dispatch();
  }

  /**
   * Answers requests until there are none, or it is time to look at the sockets. True: requests may
   * be left, so do not block.
   */
  #serve(): boolean {
    const connection = this.#connection;
    if (connection === undefined) return false;
    try {
      const more = this.#serveRounds(connection);
      if (!guestMemoryFaulted()) return more;
      this.#drop("guest memory was taken away while in use");
    } catch (error) {
      this.#drop(reasonOf(error));
    }
    return false;
  }

  #serveRounds(connection: Connection): boolean {
    for (const queue of connection.queues) queue.disableNotifications();
    for (let round = 0; round < ROUNDS_PER_POLL; round++) {
      if (this.#serveRound() > 0) continue;
      if (this.#maySpin && this.#spinner.spin(this.#serveRoundOnce)) continue;
      return this.#enableNotifications(connection);
    }
    return true;
  }

  /** While the layer's thread works for a request, the processor may be what it lacks. */
  get #maySpin(): boolean {
    return this.#spinner.pays && this.#control.parked.layer.waiting === 0;
  }

  /** A batch from every queue in turn. Returns how many requests were answered. */
  #serveRound(): number {
    const queues = this.#connection!.queues;
    let answered = 0;
    for (let index = 0; index < queues.length; index++) answered += queues[index]!.serve();
    this.#control.flush();
    return answered;
  }

  /** True when requests came in meanwhile on some queue. */
  #enableNotifications(connection: Connection): boolean {
    let more = false;
    for (const queue of connection.queues) more = queue.enableNotifications() || more;
    return more;
  }

  /** True when a guest kicked. Which queue it meant is of no interest: all are looked at. */
  #kicked(): boolean {
    const queues = this.#connection?.queues.length ?? 0;
    for (let index = 0; index < queues; index++) {
      if (this.#poll.isReady(FIRST_KICK + index)) return true;
    }
    return false;
  }

  #takeMessages(): void {
    this.#control.take();
    if (this.#control.stopped) this.#end = "stopped";
  }

  #accept(): void {
    let fd: number | undefined;
    try {
      fd = acceptUnix(this.#listenFd);
    } catch (error) {
      if (!(error instanceof SystemError) || error.code !== "EINVAL") {
        this.#pauseAccepting(reasonOf(error));
        return;
      }
      // Not a listening socket: the VM manager handed over its connection.
      fd = this.#listenFd;
      this.#listenFd = -1;
    }
    if (fd !== undefined) this.#connect(fd);
  }

  /** Out of file descriptors, say: a socket that stays ready would make the loop spin. */
  #pauseAccepting(reason: string): void {
    this.#logger.log("error", "cannot accept a client", { reason });
    this.#poll.set(LISTEN, -1);
    this.#acceptFailed = true;
  }

  #resumeAccepting(): void {
    if (!this.#acceptFailed) return;
    this.#acceptFailed = false;
    if (this.#connection === undefined) this.#poll.set(LISTEN, this.#listenFd);
  }

  /** What it throws (libvhost-user cannot be loaded) would meet every other client, too. */
  #connect(fd: number): void {
    this.#poll.set(LISTEN, -1);
    try {
      this.#connection = new Connection(
        fd,
        this.#config,
        this.#server,
        this.#native,
        this.#control,
        this.#logger,
      );
    } catch (error) {
      closeFd(fd);
      throw error;
    }
    this.#poll.set(CLIENT, fd);
    this.#logger.log("info", "client connected");
  }

  /** What the message is about may close kick eventfds, which the VM manager still holds. */
  #dispatch(): void {
    const connection = this.#connection!;
    this.#unwatchKicks(connection);
    try {
      if (connection.dispatch()) this.#watchKicks(connection);
      else this.#drop("closed");
    } catch (error) {
      this.#drop(reasonOf(error));
    }
  }

  /** Each kick counts, so eventfds need not be emptied. */
  #watchKicks(connection: Connection): void {
    for (const { index, kickFd } of connection.queues) {
      this.#poll.set(FIRST_KICK + index, kickFd, true);
    }
  }

  #unwatchKicks(connection: Connection): void {
    for (const { index } of connection.queues) this.#poll.set(FIRST_KICK + index, -1);
  }

  #drop(reason: string): void {
    const connection = this.#connection!;
    this.#poll.set(CLIENT, -1);
    this.#unwatchKicks(connection);
    this.#connection = undefined;
    connection[Symbol.dispose]();
    this.#logger.log("info", "client disconnected", { reason });
    if (this.#config.exitOnDisconnect || this.#listenFd < 0) this.#end ??= "disconnected";
    else this.#poll.set(LISTEN, this.#listenFd);
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
