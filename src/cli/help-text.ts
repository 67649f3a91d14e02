/** The epilogue of a command's help: how it is typed. */
export function examples(...lines: readonly string[]): string {
  return `\nExamples:\n${lines.map((line) => `  ${line}\n`).join("")}`;
}

/** How targets are written, for the commands that take them. */
export const TARGET_HELP =
  "A target is ROOT[/path] or DIGEST[/path]: the name of a root, or the digest of a directory or " +
  "file as blake3-<base64> or in hexadecimal, and the way from there.";
