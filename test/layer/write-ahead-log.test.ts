/** The log's file beside SQLite: written ahead, measured, and nothing that SQLite trips over. */
import { copyFileSync, mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { LOG_BYTES, WriteAheadLog } from "../../src/layer/write-ahead-log.ts";
import { temporaryFolder } from "../store/temporary.ts";

function openLog() {
  const folder = temporaryFolder();
  const path = join(folder, "x.sqlite");
  const database = new DatabaseSync(path);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0");
  database.exec("PRAGMA synchronous = NORMAL; CREATE TABLE t (id INTEGER PRIMARY KEY, value TEXT)");
  const log = new WriteAheadLog(`${path}-wal`);
  onTestFinished(() => {
    log[Symbol.dispose]();
    database.close();
  });
  const insert = database.prepare("INSERT INTO t (value) VALUES (?)");
  return { folder, path, database, log, insert };
}

/** What another process would find after a crash. */
function rowsAfterCrash(folder: string, path: string): number {
  const copy = join(folder, "copy");
  mkdirSync(copy, { recursive: true });
  for (const suffix of ["", "-wal"]) copyFileSync(path + suffix, join(copy, `x.sqlite${suffix}`));
  const database = new DatabaseSync(join(copy, "x.sqlite"));
  const row = database.prepare("SELECT count(*) AS count FROM t").get() as { count: number };
  database.close();
  return row.count;
}

test("room is written ahead, and commits go into it", () => {
  const { folder, path, log, insert } = openLog();
  const before = log.usedBytes;
  expect(before).toBeGreaterThan(0);
  log.prepare();
  expect(statSync(`${path}-wal`).size).toBe(LOG_BYTES);
  expect(log.usedBytes).toBe(before);
  for (let count = 1; count <= 20; count++) {
    insert.run(`value ${count}`);
    log.sync();
    expect(rowsAfterCrash(folder, path)).toBe(count);
  }
  expect(log.usedBytes).toBeGreaterThan(before);
  expect(statSync(`${path}-wal`).size).toBe(LOG_BYTES);
});

test("the log counts from its beginning again once it has been merged", () => {
  const { folder, path, database, log, insert } = openLog();
  log.prepare();
  for (let count = 0; count < 50; count++) insert.run("x".repeat(1000));
  const used = log.usedBytes;
  expect(used).toBeGreaterThan(50 * 4096);
  database.exec("PRAGMA wal_checkpoint(PASSIVE)");
  insert.run("one more");
  expect(log.usedBytes).toBeLessThan(used / 4);
  expect(rowsAfterCrash(folder, path)).toBe(51);
});

test("an empty log has no bytes in use", () => {
  const { database, log } = openLog();
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  expect(log.usedBytes).toBe(0);
});

test("a log that is longer already is left as it is", () => {
  const { path, log, insert } = openLog();
  for (let count = 0; count < 30; count++) insert.run("y".repeat(100_000));
  const { size } = statSync(`${path}-wal`);
  expect(size).toBeGreaterThan(LOG_BYTES);
  log.prepare();
  expect(statSync(`${path}-wal`).size).toBe(size);
  expect(log.usedBytes).toBe(size);
});
