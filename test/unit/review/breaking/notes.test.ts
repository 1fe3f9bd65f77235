import { expect } from "chai";
import { plainText } from "../../../../review/breaking/markdown";
import { chartNotes, type NotesQuery } from "../../../../review/breaking/notes";
import { readChartPackage } from "../../../../helm/chart-package";

const NO_CHART: NotesQuery["chart"] = { name: "c", version: "1.0.0", annotations: {}, notes: [] };

describe("chartNotes", () => {
  const notesOf = (
    text: string,
    before = "1.0.0",
    after = "3.0.0",
    more: Partial<NotesQuery["chart"]> = {},
    file = "CHANGELOG.md",
  ) => chartNotes({ before, after, chart: { ...NO_CHART, version: after, notes: [{ file, text }], ...more } });
  const short = (notes: ReturnType<typeof notesOf>) =>
    notes.map(({ version, kind, text }) => `${version} ${kind ?? "-"} ${text}`);

  it("gives the sections after the installed version up to the new one, newest first", () => {
    const text = `# Changelog\n\n## [Unreleased]\n- not yet\n\n## [1.0.0] - 2024-01-01\n- old\n\n## [1.5.0] - 2024-02-01
- one\n\n## v3.0.0 (2024-05-01)\n- three\n\n## <small>2.0.0 (2024-03-01)</small>\n* two\n\n## 3.1.0\n- later\n\n## About 2.0.0\n- no section`;
    expect(short(notesOf(text))).to.deep.equal(["3.0.0 - three", "2.0.0 - two", "1.5.0 - one"]);
  });

  for (const heading of [
    "## 2.0.0",
    "# v2.0.0",
    "## [2.0.0](https://x.example/a...b) (2024-01-01)",
    "### To 2.0.0",
    "### To v2",
    "## Upgrading from 1.x to 2.0",
    "### From 1.x to 2.x",
    "## 1.x -> 2.x",
    "## Version 2.0.0",
    "## c-2.0.0",
    "## Breaking changes in 2.0.0",
    "## 2.0.0 / 2024-01-01 [YANKED]",
    "2.0.0\n=====",
    "v2.0.0 - 2024-01-01\n---",
  ]) {
    it(`reads the heading ${JSON.stringify(heading)}`, () => {
      const [note, ...others] = notesOf(`# Changelog\n\n${heading}\n\n- something new\n`);
      expect([note?.version, note?.text, others.length]).to.deep.equal(["2.0.0", "something new", 0]);
    });
  }

  for (const heading of [
    "## Kubernetes 2.0.0",
    "## 2",
    "## 2024",
    "## Upgrading to Prometheus 2.0",
    "## Prerequisites",
  ]) {
    it(`takes ${JSON.stringify(heading)} for no version of the chart`, () => {
      expect(notesOf(`${heading}\n\n- something\n`)).to.deep.equal([]);
    });
  }

  it("takes the kind from headings and from the beginning of entries", () => {
    const text = `## 2.0.0\n\n### Added\n- a\n### ⚠ BREAKING CHANGES\n- b\n### Bug Fixes\n- c\n- Removed: d\n### Other
- e\n- **BREAKING**: f\n- feat(auth)!: g\n- [Deprecated] h\n- BREAKING CHANGE: i\n- [bitnami/x] fix: j\n- Note: k`;
    expect(short(notesOf(text))).to.deep.equal([
      ...["2.0.0 added a", "2.0.0 breaking b", "2.0.0 fixed c", "2.0.0 removed d", "2.0.0 - e", "2.0.0 breaking f"],
      ...["2.0.0 breaking g", "2.0.0 deprecated h", "2.0.0 breaking i", "2.0.0 fixed [bitnami/x] j", "2.0.0 - Note: k"],
    ]);
  });

  it("joins wrapped and nested entries, takes paragraphs, leaves out code, tables and comments", () => {
    const text = `## 2.0.0\n\nThe **big** one,\nreally.\n\n\`\`\`bash\n# 3.0.0\nkubectl apply\n\`\`\`\n<!-- ## 2.5.0\n- hidden -->
- first\n  goes on\n  - nested [link](https://x.example)\n\n  more\n- [X] [#12](https://x.example/12) second\n\n| a | b |\n|---|---|\n
> [!WARNING]\n> quoted ![badge](x.svg)\n\n[2.0.0]: https://x.example`;
    expect(short(notesOf(text))).to.deep.equal([
      "2.0.0 - The big one, really.",
      "2.0.0 - first goes on - nested link more",
      "2.0.0 - #12 second",
      "2.0.0 - quoted",
    ]);
  });

  it("of a README takes only what stands under a heading on upgrading", () => {
    const text =
      "# c\n\n## 2.0.0\n\n- a feature\n\n## Upgrading Chart\n\nhelm upgrade\n\n### To 2.0.0\n\nDo this.\n\n## Values\n\n### 2.1.0\n\nno\n";
    expect(short(notesOf(text, "1.0.0", "3.0.0", {}, "README.md"))).to.deep.equal(["2.0.0 - Do this."]);
  });

  it("reads artifacthub.io/changes as text or with kinds, and says once what the CHANGELOG says too", () => {
    const changes =
      "- kind: removed\n  description: Values openai.*\n- a plain one\n- kind: security\n  description: only here\n  links: [{name: x, url: y}]\n";
    const annotated = { annotations: { "artifacthub.io/changes": changes } };
    const text = "## 3.0.0\n\n- Removed: values `openai.*`, which nobody used.\n- Added: another\n";
    const notes = notesOf(text, "1.0.0", "3.0.0", annotated);
    expect(short(notes)).to.deep.equal([
      "3.0.0 removed values `openai.*`, which nobody used.",
      "3.0.0 - a plain one",
      "3.0.0 security only here",
      "3.0.0 added another",
    ]);
    expect(notes.map(({ source }) => source)).to.deep.equal([
      "CHANGELOG.md",
      "Chart.yaml",
      "Chart.yaml",
      "CHANGELOG.md",
    ]);
  });

  it("survives a malformed annotation", () => {
    for (const changes of ["- [", "just text", "{a: 1}", "- 1\n- {kind: x}"]) {
      expect(notesOf("", "1.0.0", "3.0.0", { annotations: { "artifacthub.io/changes": changes } })).to.deep.equal([]);
    }
  });

  it("bounds length and number, and stays quick on odd texts", () => {
    const many = Array.from({ length: 500 }, (_, i) => `- entry ${i} ${"x".repeat(600)}`).join("\n");
    const notes = notesOf(`## 2.0.0\n\n${many}`);
    expect(notes).to.have.length(200);
    expect(Math.max(...notes.map(({ text }) => text.length))).to.equal(400);
    const started = Date.now();
    for (const odd of ["[", "**a", "<!--", "`", "> ", "<a", "![", "_a", "- ", "# "]) {
      notesOf(`## 2.0.0\n\n${odd.repeat(200_000)}\n${`${odd}\n`.repeat(20_000)}`);
    }
    expect(Date.now() - started).to.be.below(5_000);
  }).timeout(30_000);

  it("gives nothing without two versions to compare, and what is taken back for a downgrade", () => {
    const text = "## 3.0.0\n- three\n## 2.0.0\n- two\n## 1.0.0\n- one";
    const query = { after: "3.0.0", chart: { ...NO_CHART, notes: [{ file: "CHANGELOG.md", text }] } };
    expect(chartNotes({ ...query, before: undefined })).to.deep.equal([]);
    expect(chartNotes({ ...query, before: "latest" })).to.deep.equal([]);
    expect(chartNotes({ ...query, before: "3.0.0" })).to.deep.equal([]);
    expect(short(notesOf(text, "3.0.0", "1.0.0"))).to.deep.equal(["3.0.0 - three", "2.0.0 - two"]);
  });

  it("tells the sample runtime's story once", async () => {
    const chart = await readChartPackage(`test/fixtures/charts/casa-runtime-0.3.0`);
    const notes = chartNotes({ before: "0.1.0", after: "0.3.0", chart });
    expect(short(notes).map((note) => note.slice(0, 44))).to.deep.equal([
      "0.3.0 changed `MultiAgentSystem` field `spec",
      "0.3.0 removed `MultiAgentSystem` field `spec",
      "0.3.0 added subchart `casa-observability`, o",
      "0.3.0 removed value `jwtToken`.",
      "0.3.0 changed auth service 1.0.0 -> 1.1.0.",
      "0.3.0 changed protocol parsers 1.0.0 -> 1.1.",
      "0.2.1 fixed UI explorer 1.0.0 -> 1.0.1. Noth",
      "0.2.0 added CRD `casapolicies.casa.io` (`CAS",
      "0.2.0 added `MultiAgentSystem` field `spec.c",
      "0.2.0 changed Keycloak 24.0.5 -> 25.0.6; its",
      "0.2.0 changed sidecar 1.0.0 -> 1.1.0, decisi",
      "0.2.0 removed values `openai.*`.",
    ]);
  });
});

describe("plainText", () => {
  it("keeps code as it is and drops characters that hide or reorder text", () => {
    expect(plainText("use `<a>.args.*b*` *now* __soon__ <b>bold</b> snake_case_name\u202e\u200b")).to.equal(
      "use `<a>.args.*b*` now soon bold snake_case_name",
    );
  });
});
