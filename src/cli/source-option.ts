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

/** The epilogue of a command that takes sources. */
export const SOURCES_HELP = `
Sources:
${SOURCE_ADDRESS_FORMS.map((form) => `  ${form}`).join("\n")}`;

function addSource(text: string, before: readonly string[] | undefined): string[] {
  const sources = [...(before ?? []), text];
  if (sources.length > SOURCES_MAX) {
    throw new InvalidArgumentError(`Expected ${SOURCES_MAX} sources at the most.`);
  }
  try {
    parseSourceAddress(text);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new InvalidArgumentError(`Expected ${SOURCE_ADDRESS_FORMS.join(", ")}.`);
  }
  return sources;
}
