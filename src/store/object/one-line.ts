/** A server's words, which are not trusted to be short or printable, as a part of a message. */
export function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, " ").slice(0, 300);
}
