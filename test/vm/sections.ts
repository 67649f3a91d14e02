/** The part of a guest's output below the line `@section NAME`; "" when it has none. */
export function section(output: string, name: string): string {
  const parts = output.split(/^@section (.*)\n/m); // text, name, text, name, text, …
  return parts[parts.indexOf(name) + 1] ?? "";
}
