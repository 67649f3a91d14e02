/** `--source URL`, which every command takes that may get from elsewhere what a store lacks. */
import { InvalidArgumentError, Option } from "commander";
import { StoreError } from "../store/errors.ts";
import { parseSourceAddress, SOURCE_ADDRESS_FORMS } from "../store/source-address.ts";

/** Sources at the most. */
export const SOURCES_MAX = 16;

export function sourceOption(): Option {
  return new Option(
    "--source <address>",
    "fetch from here what the store lacks; again for farther ones",
  ).argParser(addSource);
}

/** Where `push` copies to: the addresses are those of sources. */
export function toOption(): Option {
  return new Option("--to <address>", "copy to here")
    .argParser(checkedAddress)
    .makeOptionMandatory();
}

/** How long a source may keep silent before a command that copies gives a request up. */
export const SOURCE_TIMEOUT_MILLISECONDS = 30_000;

/** The epilogue of a command that takes sources. */
export const SOURCES_HELP = `
Sources:
${SOURCE_ADDRESS_FORMS.map((form) => `  ${form}`).join("\n")}`;

function addSource(text: string, before: readonly string[] | undefined): string[] {
  const sources = [...(before ?? []), checkedAddress(text)];
  if (sources.length > SOURCES_MAX) {
    throw new InvalidArgumentError(`Expected ${SOURCES_MAX} sources at the most.`);
  }
  return sources;
}

function checkedAddress(text: string): string {
  try {
    parseSourceAddress(text);
    return text;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new InvalidArgumentError(`Expected ${SOURCE_ADDRESS_FORMS.join(", ")}.`);
  }
}
