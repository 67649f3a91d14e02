/** What a fetcher has done since it was opened. */
export interface FetchTally {
  /** Objects that were brought into the local store. */
  directories: number;
  chunks: number;
  /** Of both. */
  bytes: number;
  /** Requests to sources, those that failed, and answers that were not what the digest names. */
  requests: number;
  failures: number;
  lies: number;
}

export function newTally(): FetchTally {
  return { directories: 0, chunks: 0, bytes: 0, requests: 0, failures: 0, lies: 0 };
}
