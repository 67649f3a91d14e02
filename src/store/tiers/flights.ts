/** Fetches under way: however many want an object at a time, it is fetched once. */
import { SourceUnavailable } from "../errors.ts";
import { Urgency } from "./urgency.ts";

/** Objects that are being fetched or wait for it, at a time. */
export const FLIGHTS_MAX = 65_536;

/** What a fetch is told of those who want it done. */
export interface FlightControl {
  readonly urgency: Urgency;
  /** To be called while bytes come in. */
  readonly progressed: () => void;
}

interface Flight extends FlightControl {
  readonly promise: Promise<unknown>;
  readonly listeners: Set<() => void>;
}

export class Flights {
  readonly #flights = new Map<string, Flight>();
  readonly #flightsMax: number;

  /** A smaller bound, for tests. */
  constructor(flightsMax: number = FLIGHTS_MAX) {
    this.#flightsMax = flightsMax;
  }

  /**
   * Joins the flight with that key, or begins it. It is as urgent as the most urgent of those who
   * wait for it. `key` says what the flight results in.
   * @throws what `begin` throws; SourceUnavailable when there are too many.
   */
  async run<T>(
    key: string,
    { urgency, progressed }: FlightControl,
    begin: (control: FlightControl) => Promise<T>,
  ): Promise<T> {
    const flight = this.#flights.get(key) ?? this.#begin(key, begin);
    using _lift = urgency.lift(flight.urgency);
    flight.listeners.add(progressed);
    try {
      return (await flight.promise) as T;
    } finally {
      flight.listeners.delete(progressed);
    }
  }

  /** Settles when nothing is under way any more. */
  async settled(): Promise<void> {
    while (this.#flights.size > 0) {
      await Promise.allSettled([...this.#flights.values()].map(({ promise }) => promise));
    }
  }

  #begin(key: string, begin: (control: FlightControl) => Promise<unknown>): Flight {
    if (this.#flights.size >= this.#flightsMax) {
      throw new SourceUnavailable("too many objects are being fetched");
    }
    const listeners = new Set<() => void>();
    const urgency = new Urgency("background");
    const progressed = () => {
      for (const listener of listeners) listener();
    };
    // Begun later, so that it starts with the urgency of the one who wants it.
    const promise = Promise.resolve()
      .then(() => begin({ urgency, progressed }))
      .finally(() => this.#flights.delete(key));
    const flight = { promise, urgency, progressed, listeners };
    this.#flights.set(key, flight);
    return flight;
  }
}
