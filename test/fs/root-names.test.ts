import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RootNames } from "../../src/fs/root-names.ts";
import { FakeStore } from "./fake-store.ts";

function storeOf(names: Iterable<string>): FakeStore {
  const store = new FakeStore();
  const node = store.file("");
  for (const name of names) store.root(name, node);
  return store;
}

function listedFrom(names: RootNames, number: number): string[] {
  const listed: string[] = [];
  for (let at = names.positionOf(number); at < names.count; at++) {
    listed.push(Buffer.from(names.nameAt(at)).toString());
  }
  return listed;
}

describe("RootNames", () => {
  it("lists in byte order at first, and new names after the old ones", () => {
    const names = new RootNames();
    names.refresh(storeOf(["b", "a"]).roots());
    expect(listedFrom(names, 0)).toEqual(["a", "b"]);
    names.refresh(storeOf(["b", "0", "a"]).roots());
    expect(listedFrom(names, 0)).toEqual(["a", "b", "0"]);
  });

  it("a listing that is resumed shows whatever stays in place exactly once", () => {
    const set = fc.uniqueArray(fc.constantFrom(..."abcdefghij"));
    fc.assert(
      fc.property(set, fc.array(set, { maxLength: 5 }), fc.nat(9), (before, changes, seen) => {
        const names = new RootNames();
        names.refresh(storeOf(before).roots());
        const first = listedFrom(names, 0).slice(0, seen);
        const resume = first.length === 0 ? 0 : names.numberAt(first.length - 1) + 1;
        let stayed = new Set(before);
        for (const change of changes) {
          names.refresh(storeOf(change).roots());
          stayed = new Set(change.filter((name) => stayed.has(name)));
        }
        const all = [...first, ...listedFrom(names, resume)];
        for (const name of stayed) expect(all.filter((other) => other === name)).toEqual([name]);
      }),
    );
  });
});
