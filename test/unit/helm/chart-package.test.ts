import { UserError } from "../../../shared/user-error";
import { expect } from "chai";
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { gzipSync } from "node:zlib";
import { create } from "tar";

import { readChartPackage } from "../../../helm/chart-package";

const META = "apiVersion: v2\nname: c\nversion: 1.0.0\n";

describe("readChartPackage", () => {
  let root: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "casa-chart-package-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  /** Writes a chart folder and returns its path. */
  async function folder(files: Record<string, string | Buffer>, name = "c"): Promise<string> {
    for (const [path, content] of Object.entries(files)) {
      const file = join(root, name, path);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    }
    return join(root, name);
  }

  /** Packages a chart folder as `helm package` does, everything below the chart's name. */
  async function packaged(files: Record<string, string | Buffer>, name = "c"): Promise<string> {
    await folder(files, name);
    const file = join(root, `${name}.tgz`);
    await create({ gzip: true, cwd: root, file }, [name]);
    return file;
  }

  async function problem(path: string): Promise<string> {
    try {
      await readChartPackage(path);
    } catch (error) {
      expect(error).to.be.instanceOf(UserError);
      return error instanceof UserError ? error.problem : "";
    }
    throw new Error("no UserError");
  }

  it("reads values, schema, annotations, template uses and notes, alike from a folder and a .tgz", async () => {
    const files = {
      "Chart.yaml": `${META}annotations:\n  a: "b"\n`,
      "values.yaml": "on: yes\nmode: 0755\nimage: {tag: e1234567}\n",
      "values.schema.json": '{"type": "object"}',
      "templates/a.yaml": "{{ .Values.image.digest }}",
      "files/app.conf": "{{ .Values.fromFile }}",
      "README.md.gotmpl": "{{ range .Values }}",
      "CHANGELOG.md": "## 1.0.0",
      "docs/UPGRADING": "## To 1.0.0",
      "Readme.md": "# c",
      "docs/CHANGELOG.png": "no",
      "docs/other.md": "no",
    };
    for (const path of [await folder(files), await packaged(files)]) {
      const chart = await readChartPackage(path);
      expect(chart.values).to.deep.equal({ true: true, mode: 493, image: { tag: "e1234567" } });
      expect([chart.name, chart.version, chart.schema]).to.deep.equal(["c", "1.0.0", { type: "object" }]);
      expect(chart.annotations).to.deep.equal({ a: "b" });
      expect(chart.uses.mentioned).to.deep.include.members([["image", "digest"], ["fromFile"]]);
      expect(chart.uses.passed).to.deep.equal([]);
      expect(chart.notes.map(({ file }) => file)).to.have.members(["CHANGELOG.md", "docs/UPGRADING", "Readme.md"]);
    }
  });

  it("puts defaults of subcharts below their name or alias, the parent's settings winning", async () => {
    const sub = {
      "Chart.yaml": "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
      "values.yaml": "a: 1\nb: {c: 2, d: 3}\n",
    };
    const archive = await packaged(sub, "sub");
    const path = await folder({
      "Chart.yaml": `${META}dependencies:
- {name: sub, alias: one, version: 0.1.0, condition: "one.enabled, global.subs", tags: [t]}
- {name: sub, alias: two, version: 0.1.0, import-values: [{child: b, parent: mine}]}
- {name: absent, version: 0.1.0}
`,
      "values.yaml": "one: {b: {c: 9}}\n",
      "charts/sub-0.1.0.tgz": await readFile(archive),
      "charts/plain/Chart.yaml": "apiVersion: v2\nname: plain\nversion: 0.1.0\n",
      "charts/plain/values.yaml": "x: z\n",
      "charts/plain/templates/_h.tpl": '{{ define "h" }}{{ .Values.shared }}{{ end }}',
      "charts/_ignored/Chart.yaml": "apiVersion: v2\nname: ignored\nversion: 0.1.0\n",
    });
    const chart = await readChartPackage(path);
    expect(chart.defaults).to.deep.equal({
      one: { a: 1, b: { c: 9, d: 3 } },
      two: { a: 1, b: { c: 2, d: 3 } },
      plain: { x: "z" },
    });
    const [one, two, absent, plain] = chart.dependencies;
    expect(one?.conditions).to.deep.equal([
      ["one", "enabled"],
      ["global", "subs"],
    ]);
    expect([one?.alias, one?.tags, two?.importedTo]).to.deep.equal(["one", ["t"], [["mine"]]]);
    expect([absent?.chart, plain?.key, chart.dependencies.length]).to.deep.equal([undefined, "plain", 4]);
    expect(chart.uses.mentioned, "a named template of a subchart may run with the parent's values").to.deep.include([
      "shared",
    ]);
  });

  it("reads the old requirements.yaml, the first of several documents, and the last of repeated keys", async () => {
    const path = await folder({
      "Chart.yaml": META.replace("v2", "v1"),
      "requirements.yaml": "dependencies:\n- {name: old, version: 1.0.0}\n",
      "values.yaml": "---\na: 1\na: 2\n---\nb: 3\n",
    });
    const chart = await readChartPackage(path);
    expect(chart.values).to.deep.equal({ a: 2 });
    expect(chart.dependencies.map(({ key }) => key)).to.deep.equal(["old"]);
  });

  it("reads the sample charts, subcharts included", async () => {
    const runtime = await readChartPackage("test/fixtures/charts/casa-runtime-0.3.0");
    expect(runtime.defaults["casa-observability"]).to.deep.equal({ sampling: 0.1, enabled: false });
    expect(runtime.dependencies[0]?.conditions).to.deep.equal([["casa-observability", "enabled"]]);
    const other = await readChartPackage("test/fixtures/charts/other-runtime");
    expect(other.dependencies.map(({ key, chart }) => [key, chart?.name])).to.deep.equal([
      ["definitions", "other-crds"],
    ]);
  });

  it("explains a chart that is none, without quoting its files", async () => {
    const secret = "S3cr3t!";
    expect(await problem(join(root, "nowhere"))).to.include("ENOENT");
    expect(await problem(await folder({ "values.yaml": "" }, "none"))).to.include("Chart.yaml: it is missing");
    expect(await problem(await folder({ "Chart.yaml": "name: [1" }, "meta"))).to.include(
      "Chart.yaml: line 1 is not valid YAML",
    );
    expect(await problem(await folder({ "Chart.yaml": "name: 1" }, "type"))).to.include("Chart.yaml: name");
    const broken = await problem(
      await folder({ "Chart.yaml": META, "values.yaml": `a: 1\nb: [${secret}\nc: }` }, "values"),
    );
    expect(broken).to.match(/values\.yaml: line [23] is not valid YAML/);
    expect(broken).not.to.include(secret);
    expect(await problem(await folder({ "Chart.yaml": META, "values.yaml": "- 1" }, "list"))).to.include(
      "it does not hold a map",
    );
    const bomb = ["a: &a [1,1]", ..."bcdefgh"].map((k, i, all) =>
      i === 0 ? k : `${k}: &${k} [${`*${all[i - 1]?.[0] ?? ""},`.repeat(9)}]`,
    );
    expect(await problem(await folder({ "Chart.yaml": META, "values.yaml": bomb.join("\n") }, "bomb"))).to.include(
      "aliases",
    );
    expect(await problem(await folder({ "Chart.yaml": META, "values.schema.json": "{" }, "schema"))).to.include(
      "not valid JSON",
    );
    expect(
      await problem(await folder({ "Chart.yaml": META, "charts/s/Chart.yaml": "a: [", "charts/s/x": "" }, "sub")),
    ).to.include("charts/s");
  });

  it("explains an archive that is broken, cut off or no archive", async () => {
    const file = join(root, "x.tgz");
    for (const content of ["no archive", gzipSync("no tar at all, but compressed ".repeat(100))]) {
      await writeFile(file, content);
      expect(await problem(file)).to.match(/is not a valid \.tgz archive|Chart\.yaml: it is missing/);
    }
    const whole = await readFile(
      await packaged({ "Chart.yaml": META, "values.yaml": `a: ${"x".repeat(50_000)}${Math.random()}\n` }),
    );
    await writeFile(file, whole.subarray(0, whole.length - 40));
    expect(await problem(file)).to.include("not a valid .tgz archive");
  });

  it("refuses what grows beyond helm's limits, in archives inside archives too", async () => {
    const huge = Buffer.alloc(6 * 1024 * 1024);
    expect(await problem(await packaged({ "Chart.yaml": META, "files/zeros": huge }, "file"))).to.include(
      "files/zeros has more",
    );
    // .helmignore may name it; where it does not, helm itself refuses it.
    expect((await readChartPackage(await folder({ "Chart.yaml": META, "files/zeros": huge }, "folder"))).name).to.equal(
      "c",
    );
    const nested = Object.fromEntries(
      Array.from({ length: 12 }, (_, i) => [`f${i}`, huge.subarray(0, 5 * 1024 * 1024)]),
    );
    const inner = await readFile(await packaged({ "Chart.yaml": META.replace("c", "inner"), ...nested }, "inner"));
    const outer = { "Chart.yaml": META, "charts/a.tgz": inner, "charts/b.tgz": inner };
    expect(await problem(await packaged(outer, "outer"))).to.include("more than 100 MiB");
  }).timeout(60_000);

  it("follows links in a folder as helm does, none in an archive, and none round in a circle", async () => {
    await writeFile(join(root, "outside.md"), "## 1.0.0");
    const path = await folder({ "Chart.yaml": META });
    await symlink(join(root, "outside.md"), join(path, "CHANGELOG.md"));
    await symlink(path, join(path, "templates"));
    const file = join(root, "links.tgz");
    await create({ gzip: true, cwd: root, file }, ["c"]);
    expect((await readChartPackage(path)).notes).to.deep.equal([{ file: "CHANGELOG.md", text: "## 1.0.0" }]);
    expect((await readChartPackage(file)).notes).to.deep.equal([]);
  });
});
