/** `castorefs completion SHELL`, and `complete-words`, which the scripts that it prints call. */
import { Argument, type Command } from "commander";
import { COMPLETION_SCRIPTS } from "../completion-scripts.ts";
import { rootCandidates, targetCandidates } from "../completion-targets.ts";
import { type Candidate, wantedCompletion } from "../completion-words.ts";
import type { Context } from "../context.ts";
import { examples } from "../help-text.ts";
import { storeOption } from "../store-option.ts";

export function addCompletion(program: Command, { out }: Context): void {
  program
    .command("completion")
    .summary("print a completion script for a shell")
    .description("Prints a script that teaches a shell the commands, options, roots and paths.")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(COMPLETION_SCRIPTS)))
    .addHelpText(
      "after",
      examples(
        "source <(castorefs completion bash)",
        "castorefs completion zsh > ~/.zfunc/_castorefs",
        "castorefs completion fish > ~/.config/fish/completions/castorefs.fish",
      ),
    )
    .action((shell: string) => out.write(COMPLETION_SCRIPTS[shell] ?? ""));
  program
    .command("complete-words", { hidden: true })
    .description("Prints what may stand in the place of the last word.")
    .argument("<words...>")
    .addOption(storeOption())
    .action(async (words: string[], options: { store?: string }) => {
      for (const { text, description } of await completions(program, words, options.store)) {
        await out.line(`${text}\t${description}`);
      }
    });
}

/** Never fails: a shell that completes has nobody to tell. */
async function completions(
  program: Command,
  words: readonly string[],
  defaultStore: string | undefined,
): Promise<readonly Candidate[]> {
  const wanted = wantedCompletion(program, words);
  const typed = words.at(-1) ?? "";
  if (wanted.kind === "words") return wanted.candidates;
  if (wanted.kind === "file") return [];
  const store = wanted.store ?? defaultStore;
  if (store === undefined) return [];
  const candidates = wanted.kind === "root" ? rootCandidates : targetCandidates;
  return candidates(store, typed).catch(() => []);
}
