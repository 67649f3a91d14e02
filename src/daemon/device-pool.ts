/**
 * The device threads of a daemon, one for each socket. They end independently: what happens to one
 * virtual machine's device is nothing to the others.
 */
import type { LogFields, Logger } from "../base/logger.ts";
import type { DeviceThreadConfig } from "../device/messages.ts";
import { type DeviceServices, DeviceWorker } from "./device-worker.ts";
import { openSockets, removeSocket, socketName } from "./listen.ts";
import type { ListenAddress } from "./serve-config.ts";

/** How often devices let go of segments that a collection has removed. */
export const TRIM_MILLISECONDS = 10 * 60 * 1000;

export type DeviceConfig = Omit<DeviceThreadConfig, "wakeFd" | "socketFd" | "layer">;

export interface DevicePoolOptions {
  readonly listen: readonly ListenAddress[];
  readonly config: DeviceConfig;
  readonly services: DeviceServices;
  readonly logger: Logger;
}

export class DevicePool {
  /**
   * Settles when the last device has ended, as it was told to or with its client; rejects with
   * DaemonError when one of them failed.
   */
  readonly ended: Promise<void>;
  readonly #workers: readonly DeviceWorker[];

  private constructor(workers: readonly DeviceWorker[], ends: readonly Promise<void>[]) {
    this.#workers = workers;
    const trimming = setInterval(() => this.tell("trim"), TRIM_MILLISECONDS);
    this.ended = Promise.allSettled(ends).then((outcomes) => {
      clearInterval(trimming);
      const failure = outcomes.find((outcome) => outcome.status === "rejected");
      if (failure !== undefined) throw failure.reason;
    });
    // Whoever waits for it hears of a failure; until somebody does it is not unhandled.
    this.ended.catch(() => {});
  }

  /**
   * Settles once VM managers can connect to every socket.
   * @throws DaemonError: a socket is taken, a device cannot start; nothing is left then.
   */
  static async start({ listen, config, services, logger }: DevicePoolOptions): Promise<DevicePool> {
    const fds = openSockets(listen);
    const workers = listen.map((address, index) => {
      const log = listen.length === 1 ? logger : namedLogger(logger, socketName(address));
      return new DeviceWorker({ ...config, socketFd: fds[index]! }, services, log);
    });
    const ends = workers.map(async (worker, index) => {
      try {
        await worker.ended;
      } catch (error) {
        if (listen.length > 1) {
          const socket = socketName(listen[index]!);
          logger.log("error", "a device failed; the others go on", { socket, reason: `${error}` });
        }
        throw error;
      } finally {
        removeSocket(listen[index]!);
      }
    });
    const pool = new DevicePool(workers, ends);
    try {
      await Promise.all(workers.map((worker) => worker.ready));
      return pool;
    } catch (error) {
      pool.stop();
      await pool.ended.catch(() => {});
      throw error;
    }
  }

  /** Tells all devices that something in the store has changed. */
  tell(change: "exposed" | "trim"): void {
    for (const worker of this.#workers) worker.tell(change);
  }

  /** Disconnects the clients and ends the device threads, in good order. */
  stop(): void {
    for (const worker of this.#workers) worker.stop();
  }
}

/** Says which device a line is about. */
function namedLogger(logger: Logger, socket: string): Logger {
  return {
    log: (level, message, fields?: LogFields) => logger.log(level, message, { socket, ...fields }),
  };
}
