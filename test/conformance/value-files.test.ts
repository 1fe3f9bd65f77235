import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { readValueFiles } from "../../config/values";
import { ensureTools, type Tools } from "../../sandbox/tools";
import { writeFiles } from "../fixtures/write-files";

/** What people write, and how: helm takes all of it. */
const TAKEN: Record<string, string> = {
  "a flow map that is closed at the margin": 'a: {\n"x": 1\n}\nb: 2',
  "a flow list with entries at the margin": 'p:\n  l: [\n  "a"\n  ]',
  "a quoted text over lines at the margin": 'a:\n  b: "line1\nline2"',
  "a comment without a space before it": 'a: "b"#c',
  "tabs in a flow list": "a: [\n\t1,\n\t2 ]",
  "an alias that is used a hundred times": `x: &x {k: v}\nl:\n${"  - *x\n".repeat(101)}`,
  "a merge of maps": "base: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}\nd:\n  <<: [*b, {z: 1}]",
  "two documents": "a: 1\n---\na: 2\nb: [",
  "a marker before comments and the first document": "# one\n---\n# two\na: 1\n---\nb: 2",
  "an end of the document": "a: 1\n...\nb: [",
  "an empty document first": "---\n---\na: 1",
  "a marker in a text block": "a: |\n  x\n  ---\n  y\nb: 1",
  "a text in base64": "a: !!binary aGVsbG8=",
  tags: 'a: !!str 123\nb: !!int "3"\nc: !!float "1"\nd: !!bool "true"',
  "a byte order mark": "\uFEFFa: 1",
  "lines of Windows": "a: 1\r\nb:\r\n  - x\r\n  - |\r\n    y\r\n",
  "repeated keys": "a: 1\na: {b: 2}",
  numbers: "a: 0644\nb: 1_000\nc: 0x1F\nd: 1e3\ne: 12345678901234567890\nf: 0.1\ng: -0\nh: 1.0\ni: 0o17",
  "words of YAML 1.1": "a: yes\nb: Off\nc: ~\nd: n\ne: NULL\nf: y",
  "dates and times": "a: 2026-11-28\nb: 2026-11-28T10:00:00Z\nc: 12:30:45",
  "keys that are no texts": "1: a\ntrue: b\n1.5: c",
  "block texts": "a: >-\n  x\n  y\n\n  z\nb: |+\n  x\n\nc: |2\n    x\n",
  "a key with a question mark": "? a\n: b",
  nothing: "# nothing\n",
  "a tab after a colon": 'a:\t1\nb: "x"\t# c',
  "a plain text over lines": "a: one\n  two\n\n  three\nb: 1",
  "a flow map as the document": '{"a": {b: 1, "c":2}}',
  "an anchor of nothing": "a: &x\nb: *x",
  "a template's braces in quotes": "a: \"{{ .Values.b }}\"\nb: '{{ x }}'",
  "empty collections and texts": "a: {}\nb: []\nc: ''\nd:",
  "a directive": "%YAML 1.1\n---\na: yes",
  "lists at the margin of their key": "a:\n- x: 1\n  y: 2\n- z\n",
  "a colon in a plain text": "a: http://x:80/y\nb: x:y",
  "a number sign in a plain text": "a: b#c\nb: 'c' #d",
  "an emoji and an escape": 'a: "\\u00e9 \\U0001F600 \\x41"\nb: \u{1F600}',
};

describe("value files are read as helm reads them", function () {
  this.timeout(60_000);
  let tools: Tools;
  let folder: string;
  let chart: string;

  before(async () => {
    tools = await ensureTools();
    folder = mkdtempSync(join(tmpdir(), "casa-value-files-"));
    chart = writeFiles(join(folder, "chart"), {
      "Chart.yaml": "apiVersion: v2\nname: values\nversion: 0.1.0\n",
      "templates/a.yaml": "values: {{ omit .Values `global` | toJson }}\n",
    });
  });
  after(() => rmSync(folder, { recursive: true }));

  for (const [what, text] of Object.entries(TAKEN)) {
    it(what, async () => {
      const file = join(folder, "values.yaml");
      writeFileSync(file, text);
      const { stdout } = await execa(tools.path("helm"), ["template", "x", chart, "--values", file]);
      const json = /^values: (.*)$/m.exec(stdout)?.[1] ?? "";
      const [ours] = readValueFiles([file]);
      // helm takes a null of a value file for "without the default", and leaves the key out.
      expect(withoutNulls(ours)).to.deep.equal(withoutNulls(JSON.parse(json)));
    });
  }
});

function withoutNulls(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (_, one: unknown) => one ?? undefined)) as unknown;
}
