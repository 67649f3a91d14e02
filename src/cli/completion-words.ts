/** What may stand in the place of the last word of a command line that is being typed. */
import type { Command, Option } from "commander";

/** What the words ask to be completed. */
export type Wanted =
  | { readonly kind: "words"; readonly candidates: readonly Candidate[] }
  | { readonly kind: "file" }
  | { readonly kind: "root"; readonly store: string | undefined }
  | { readonly kind: "target"; readonly store: string | undefined };

export interface Candidate {
  readonly text: string;
  readonly description: string;
}

/** Commands whose arguments are targets, and those that take names of roots. */
const TARGET_COMMANDS = new Set(["ls", "tree", "cat", "stat", "export", "push", "diff", "tag"]);
const ROOT_COMMANDS = new Set(["rm", "du"]);

/** `words` without the name of the program; the last one, perhaps empty, is being typed. */
export function wantedCompletion(program: Command, words: readonly string[]): Wanted {
  const typed = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const names = program.commands.map((command) => command.name());
  const at = before.findIndex((word) => names.includes(word));
  const command = program.commands[names.indexOf(before[at] ?? "")];
  if (command === undefined) {
    return typed.startsWith("-") ? options(program, typed) : commands(program, typed);
  }
  // A command of commands.
  if (command.commands.length > 0) return wantedCompletion(command, words.slice(at + 1));
  const store = optionValue(before, "--store");
  const afterOption = command.options.find((option) => option.long === before.at(-1));
  if (afterOption !== undefined && takesValue(afterOption)) {
    return optionArgument(afterOption, typed, store);
  }
  if (typed.startsWith("-")) return options(command, typed);
  // `layer diff` is another than `diff`.
  const isTop = program.parent === null;
  if (isTop && TARGET_COMMANDS.has(command.name())) return { kind: "target", store };
  if (isTop && ROOT_COMMANDS.has(command.name())) return { kind: "root", store };
  const choices = command.registeredArguments[before.length - at - 1]?.argChoices;
  if (choices !== undefined) return plainWords(choices, typed);
  return command.name() === "help" ? commands(program, typed) : { kind: "file" };
}

function optionArgument(option: Option, typed: string, store: string | undefined): Wanted {
  if (option.argChoices !== undefined) return plainWords(option.argChoices, typed);
  if (option.long === "--onto") return { kind: "target", store };
  return option.long === "--root" ? { kind: "root", store } : { kind: "file" };
}

function commands(program: Command, typed: string): Wanted {
  const candidates = program.commands
    .filter((command) => command.name() !== "complete-words")
    .map((command) => ({ text: command.name(), description: command.summary() }));
  return { kind: "words", candidates: startingWith(candidates, typed) };
}

function options(command: Command, typed: string): Wanted {
  const candidates = command
    .createHelp()
    .visibleOptions(command)
    .map((option) => ({ text: option.long ?? "", description: option.description }));
  return { kind: "words", candidates: startingWith(candidates, typed) };
}

function plainWords(texts: readonly string[], typed: string): Wanted {
  const candidates = texts.map((text) => ({ text, description: "" }));
  return { kind: "words", candidates: startingWith(candidates, typed) };
}

function startingWith(candidates: readonly Candidate[], typed: string): Candidate[] {
  return candidates.filter(({ text }) => text.startsWith(typed));
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

/** The value of `--name VALUE` or `--name=VALUE` among the words. */
function optionValue(words: readonly string[], name: string): string | undefined {
  const at = words.lastIndexOf(name);
  if (at >= 0) return words[at + 1];
  return words.findLast((word) => word.startsWith(`${name}=`))?.slice(name.length + 1);
}
