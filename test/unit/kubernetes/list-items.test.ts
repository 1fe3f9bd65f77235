import { expect } from "chai";
import { ListItems } from "../../../kubernetes/list-items";

const ITEMS = [
  { metadata: { name: "one" }, spec: { list: [1, [2, { deep: ["]"] }]], text: 'quotes " and \\ and } { ] [' } },
  { metadata: { name: "zwei" }, text: "äöü 漢字 🚀 \u2028", none: null, empty: {} },
  { metadata: { name: "three" }, data: { '"items":[': "a key like the list's own" } },
];
const LIST = { kind: "List", apiVersion: "v1", metadata: { resourceVersion: "7" }, items: ITEMS };

describe("items of a list, as it arrives", () => {
  const read = (text: string, size: number) => {
    const items: object[] = [];
    const reader = new ListItems((part) => items.push(...part));
    const bytes = Buffer.from(text);
    for (let at = 0; at < bytes.length; at += size) reader.push(bytes.subarray(at, at + size));
    return { items, whole: reader.end() };
  };

  it("are the same wherever the parts end, in the middle of a character, too", () => {
    const text = JSON.stringify(LIST);
    for (let size = 1; size <= text.length; size++) {
      expect(read(text, size), `${size} bytes each`).to.deep.equal({ items: ITEMS, whole: true });
    }
  });

  it("may stand anywhere in the list, and be written with spaces", () => {
    const { items, ...others } = LIST;
    for (const list of [{ items, ...others }, LIST]) {
      expect(read(JSON.stringify(list, null, 2), 10)).to.deep.equal({ items: ITEMS, whole: true });
    }
  });

  it("may be none", () => {
    for (const items of [[], null, undefined]) {
      expect(read(JSON.stringify({ ...LIST, items }), 9)).to.deep.equal({ items: [], whole: true });
    }
  });

  it("a list that was cut off is not whole, and what is no list is none", () => {
    const text = JSON.stringify(LIST);
    for (const end of [text.indexOf("zwei"), text.length - 2]) {
      expect(read(text.slice(0, end), 50).whole, text.slice(end)).to.equal(false);
    }
    expect(read('{"kind":"Status","items":"none"}', 50).whole).to.equal(false);
    expect(read('["items"]', 50).whole).to.equal(false);
    expect(read("<html>", 50).whole).to.equal(false);
    expect(new ListItems(() => undefined).push(Buffer.from('{"items":[{what}]}'))).to.equal(false);
  });
});
