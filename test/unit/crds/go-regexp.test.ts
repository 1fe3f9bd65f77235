import { expect } from "chai";
import { goRegExp } from "../../../crds/objects/go-regexp";

describe("Go's regular expressions", () => {
  const matches: [pattern: string, text: string, found: boolean][] = [
    ["^[a-z]+$", "abc", true],
    ["^[a-z]+$", "abc\n", false],
    ["b", "abc", true],
    ["(?i)ABC", "xabcx", true],
    ["(?s)a.b", "a\nb", true],
    ["a.b", "a\nb", false],
    ["(?m)^b$", "a\nb", true],
    ["^[[:alpha:]]+$", "abc", true],
    ["^[[:^alpha:]]+$", "123", true],
    ["^\\pL+$", "é", true],
    ["^\\p{Greek}+$", "αβ", true],
    ["^\\p{Greek}+$", "ab", false],
    ["\\Aab\\z", "ab", true],
    ["^\\Qa.b\\E$", "a.b", true],
    ["^\\Qa.b\\E$", "axb", false],
    ["^.$", "😀", true],
    ["^a(?i:B)c$", "abc", true],
    ["^\\s$", "\u00a0", false],
    ["^\\d$", "٣", false],
    ["^(?P<year>\\d{4})$", "2026", true],
  ];
  for (const [pattern, text, found] of matches) {
    it(`${pattern} ${found ? "matches" : "does not match"} ${JSON.stringify(text)}`, () =>
      expect(goRegExp(pattern)?.test(text)).to.equal(found));
  }

  for (const pattern of ["(?=a)", "(?<!a)b", "\\1", "[", "a{1001}", "\\k<x>"]) {
    it(`${pattern} is none: Go refuses it`, () => expect(goRegExp(pattern)).to.equal(undefined));
  }

  it("finds all matches as Go does", () => {
    expect(goRegExp("a+")?.findAll("baaacab")).to.deep.equal(["aaa", "a"]);
    expect(goRegExp("a*")?.findAll("baaac")).to.deep.equal(["", "aaa", ""]);
    expect(goRegExp("x")?.findAll("abc")).to.deep.equal([]);
  });

  it("takes time in proportion to the text, whatever the pattern", () => {
    const text = `${"a".repeat(30_000)}!`;
    expect(goRegExp("^(a+)+$")?.test(text)).to.equal(false);
  });
});
