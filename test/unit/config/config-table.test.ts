import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect } from "chai";
import { parse } from "yaml";
import { z } from "zod";
import { parseConfig } from "../../../config/config";
import { allKeys, schemaAt } from "../../../config/config-schema";
import { generatedFiles, withConfigBlock } from "../../../scripts/config-table";

const ROOT = resolve(__dirname, "../../..");
const read = (path: string) => readFileSync(resolve(ROOT, path), "utf8");
const projectFile = z.object({
  config: z.record(z.string(), z.object({ description: z.string(), default: z.unknown() })),
});
const stackFile = z.object({ config: z.record(z.string(), z.unknown()) });

describe("what is generated from the configuration's schema", () => {
  for (const path of ["docs/config.md", "Pulumi.yaml", "sandbox/Pulumi.yaml"]) {
    it(`${path} is up to date (else: node --import tsx scripts/config-table.ts)`, () =>
      expect(read(path)).to.equal(generatedFiles().get(path)));
  }

  it("every key has a meaning, an example that is allowed, and a row in the table", () => {
    for (const path of allKeys()) {
      const node = schemaAt(path);
      expect(node?.description, path.join(".")).to.be.a("string").that.is.not.empty;
      const example = path.reduceRight<unknown>((value, key) => ({ [key]: value }), node?.example);
      // A version or repository needs a chart that fits it.
      const chart = path[0] === "repository" ? { chart: "casa-runtime", version: "0.1.18" } : { chart: "./chart" };
      parseConfig({
        context: "c",
        ...chart,
        ...(example as object),
        ...(path[0] === "chart" ? { version: "1.0.0" } : {}),
      });
      expect(read("docs/config.md")).to.include(`\n| \`${path.join(".")}\` |`);
    }
  });

  it("the defaults of Pulumi.yaml mean the same as the schema's", () => {
    const { config } = projectFile.parse(parse(read("Pulumi.yaml")));
    const defaults = Object.fromEntries(Object.entries(config).map(([key, { default: value }]) => [key, value]));
    const required = { context: "c", chart: "./chart" };
    expect(parseConfig({ ...defaults, ...required })).to.deep.equal(parseConfig(required));
  });

  it("Pulumi.yaml declares every key with a default: the engine makes a key without one mandatory", () => {
    const { config } = projectFile.parse(parse(read("Pulumi.yaml")));
    expect(Object.keys(config)).to.have.members(allKeys().flatMap((path) => (path.length === 1 ? path : [])));
    for (const [key, { default: value }] of Object.entries(config)) expect(value, key).to.not.equal(undefined);
  });

  it("replaces the block and nothing else", () => {
    const once = withConfigBlock("name: x\n# a comment\nruntime: nodejs\n");
    expect(once).to.match(/^name: x\n# a comment\nruntime: nodejs\n# The config block/);
    expect(withConfigBlock(once)).to.equal(once);
    expect(withConfigBlock("name: x\nconfig:\n  old: 1\n")).to.equal(withConfigBlock("name: x\n"));
  });

  it("the example stack configuration is valid", () => {
    const { config } = stackFile.parse(parse(read("Pulumi.dev.yaml")));
    const own = Object.entries(config).map(([key, value]) => [key.replace(/^casa-upgrade:/, ""), value]);
    expect(parseConfig(Object.fromEntries(own) as Record<string, unknown>).mode).to.equal("istio");
  });
});
