/**
 * Runs the conformance suite and tells what fails, as `make test` does it but in full:
 *
 *   node --conditions=castorefs-source test/posix/main.ts [FILESYSTEM...] [GROUP...]
 */
import { runSuite } from "./conformance.ts";
import { FILE_SYSTEMS, type FileSystem } from "./file-systems.ts";

const words = process.argv.slice(2);
const isFileSystem = (word: string): word is FileSystem =>
  (FILE_SYSTEMS as readonly string[]).includes(word);
const chosen = words.filter(isFileSystem);
const groups = words.filter((word) => !isFileSystem(word));

const say = (text: string) => process.stdout.write(`${text}\n`);
const run = await runSuite(chosen.length > 0 ? chosen : FILE_SYSTEMS, groups, say);
for (const [name, tally] of run.tallies) {
  if (tally === undefined) {
    say(`${name}: did not come to its end\n${run.transcript.slice(-4000)}`);
    continue;
  }
  const { cases, assertions, seconds, failures } = tally;
  say(`${name}: ${cases} cases, ${failures.size} failed, ${assertions} assertions, ${seconds} s`);
  for (const [failure, found] of failures) say(`  ${failure}: ${found}`);
}
