/** Many names in one array, so that sending one makes no view of its own. */
export class NameTable {
  readonly bytes: Uint8Array;
  /** Where each name begins; one more than there are names. */
  readonly starts: Uint32Array;

  /** ASCII names. */
  constructor(names: readonly string[]) {
    this.bytes = Buffer.from(names.join(""), "latin1");
    this.starts = new Uint32Array(names.length + 1);
    names.forEach((name, index) => {
      this.starts[index + 1] = this.starts[index]! + name.length;
    });
  }
}
