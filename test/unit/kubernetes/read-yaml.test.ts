import { expect } from "chai";
import { readExactly, readYaml } from "../../../kubernetes/read-yaml";

/** Two parsers stand behind one function; whatever a chart holds, they must not be told apart. */
const TEXTS = [
  "a: y\nb: N\nc: Off\nd: on\ne: TRUE\nf: 'yes'\ng: tRUE",
  "a: ~\nb:\nc: Null\nd: NULL\ne: nULL\nf: ''",
  "a: 0x1F\nb: 017\nc: 0o17\nd: 0b101\ne: 1_000\nf: '017'\ng: +3\nh: -0\ni: 08\nj: 1:30\nk: 0x",
  "a: 1e3\nb: .5\nc: +.5\nd: 1.\ne: 2.0240101e+07\nf: 12e4567\ng: e1234567\nh: 1_0.5\ni: 1.2.3\nj: '1.0'",
  "a: .inf\nb: -.Inf\nc: .NaN\nd: inf\ne: nan",
  "a: 2024-01-01\nb: 2024-01-01T00:00:00Z\nc: 12:30:45",
  "base: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}\nd: {<<: [*b, {z: 1}]}\ne: *b",
  "a: 1\na: 2\nb: {c: 1, c: {d: 2}}",
  "1: one\n1.5: float\ntrue: yes\n0x10: sixteen\n'2': two",
  'a: !!str 1\nb: !!int "3"\nc: !foo bar\nd: !!binary aGk=',
  "a: |\n  one\n\n  two\nb: >-\n  three\n  four\nc: |+\n  five\n\n",
  "a: \"\\u00e9\\x41\\n\"\nb: 'it''s'\nc: a # no\nd: a#b\ne: \"a: b\"\nf: http://x/y",
  "a: [1, , 2]",
  "a:\n- b\n-   - c\n    - d\n- {e: [f, {g: h}]}",
  "%YAML 1.1\n",
  "# nothing\n",
  "",
  "a: 1\n...\n",
  "a: 1\n...\nb: 2\n",
  "a: *nothing",
  "a: &x 1\nb: &x 2\nc: *x",
  "\ta: 1",
  "a:\n\tb: 1",
  "a: b: c",
  "a: @x",
  "a: `x`",
  "a: {b: 1",
  "a: 'b",
  "__proto__: {a: 1}\nconstructor: 2",
  "- a\n- b",
  "plain text",
  "? a\n: b",
  "a: - b",
  "a: |2\n    b\n   c",
  "a: 9223372036854775807\nb: 18446744073709551616",
  "a: 'x'\r\nb: y\r\n",
  "\ufeffa: 1",
];

function outcome(read: (text: string) => unknown, text: string): string {
  try {
    return JSON.stringify(read(text)) ?? "nothing";
  } catch (error) {
    return `refused: ${String(error)}`;
  }
}

describe("readYaml", () => {
  for (const text of TEXTS) {
    it(`reads ${JSON.stringify(text)} as the exact parser does`, () => {
      const [fast, exact] = [outcome(readYaml, text), outcome(readExactly, text)];
      expect(fast).to.equal(exact === "nothing" ? "null" : exact);
    });
  }

  it("gives the same value for the same text, which nobody can change", () => {
    const text = "spec: {names: {kind: Thing}}";
    const value = readYaml(text) as { spec: { names: { kind: string } } };
    expect(readYaml(text)).to.equal(value);
    expect(() => {
      value.spec.names.kind = "Other";
    }).to.throw(TypeError);
  });
});
