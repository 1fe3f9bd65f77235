import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { expect } from "chai";
import execa from "execa";
import { z } from "zod";
import { compareCrds } from "../../crds/compat/compare";
import { EXTRA_RULES, SHARED_RULES } from "../../crds/compat/rules";
import { type Crd, parseCrds } from "../../crds/crds";
import { parseManifest } from "../../kubernetes/objects";
import { Progress } from "../../sandbox/progress";
import { ensureTools } from "../../sandbox/tools";
import { TEST_TOOLS } from "../../sandbox/tools/catalog";
import { CRD_PAIRS } from "../fixtures/crd-pairs";
import { text, two } from "../fixtures/crd-pairs/make";
import { randomPair } from "../fixtures/crd-pairs/random";

const texts = z.array(z.string()).default([]);
const comparison = z.strictObject({ name: z.string(), errors: texts, warnings: texts });
const versioned = z
  .array(
    z.strictObject({
      version: z.string(),
      propertyComparisons: z.array(z.strictObject({ property: z.string(), comparisonResults: z.array(comparison) })),
    }),
  )
  .default([]);
/** What `crdify --output json` prints; strict, so that a new part of it is noticed. */
const report = z.strictObject({
  crdValidation: z.array(comparison).default([]),
  sameVersionValidation: versioned,
  servedVersionValidation: versioned,
});

const line = (severity: string, rule: string, version = "", at = "") => [severity, rule, version, at].join(" ").trim();

/** One line per verdict of crdify: severity, rule, version, path. */
function verdicts(printed: string): string[] {
  const { crdValidation, sameVersionValidation, servedVersionValidation } = report.parse(JSON.parse(printed));
  const lines = ({ name, errors, warnings }: z.infer<typeof comparison>, version?: string, at?: string) =>
    [...errors.map((words) => ["error", words]), ...warnings.map((words) => ["warning", words])].map(
      ([severity = "", words = ""]) => {
        // The only rule about the whole CRD that says in its text alone where it found something.
        const removed = name === "existingFieldRemoval" ? /^removed field : ([^.]+)\.(.+)$/.exec(words) : null;
        return removed ? line(severity, name, removed[1], removed[2]) : line(severity, name, version, at);
      },
    );
  const ofVersions = [...sameVersionValidation, ...servedVersionValidation].flatMap(
    ({ version, propertyComparisons }) =>
      propertyComparisons.flatMap(({ property, comparisonResults }) =>
        comparisonResults.flatMap((result) => lines(result, version, property)),
      ),
  );
  return [...crdValidation.flatMap((result) => lines(result)), ...ofVersions].sort();
}

const extra = new Set<string>(EXTRA_RULES.map(({ id }) => id));

/** Our findings by the shared rules in the same form. */
function ours(before: Crd, after: Crd): string[] {
  return compareCrds(before, after)
    .filter(({ rule }) => !extra.has(rule))
    .map(({ severity, rule, version, path: at }) => line(severity, rule, version, at))
    .sort();
}

describe("CRD comparison: the same verdict as crdify", function () {
  this.timeout(60_000);
  let crdify: string;
  let scratch: string;

  before(async function () {
    this.timeout(0);
    crdify = (await ensureTools(Progress.silent(), TEST_TOOLS)).path("crdify");
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), "casa-upgrade-crdify-"));
  });
  after(() => fs.rmSync(scratch, { recursive: true, force: true }));

  async function theirs(before: Crd, after: Crd): Promise<string[]> {
    const urls = [before, after].map((object, index) => {
      const file = path.join(scratch, `${index}.json`);
      fs.writeFileSync(file, JSON.stringify(object));
      return `file://${file}`;
    });
    const { exitCode, stdout, stderr } = await execa(crdify, [...urls, "--output", "json"], { reject: false });
    const found = verdicts(stdout || `no JSON: ${stderr}`);
    expect(exitCode, "exit code of crdify").to.equal(found.some((verdict) => verdict.startsWith("error")) ? 1 : 0);
    return found;
  }

  for (const { name, before, after, violates, allows } of CRD_PAIRS) {
    it(name, async () => {
      const expected = await theirs(before, after);
      expect(ours(before, after)).to.deep.equal(expected);
      const rules = expected.map((verdict) => verdict.split(" ")[1]);
      expect(rules).to.include.members([...violates]);
      for (const rule of allows) expect(rules).not.to.include(rule);
    });
  }

  it("agrees on the CRDs of the sample charts, from each version to each other", async () => {
    const all = ["0.1.0", "0.2.0", "0.2.1", "0.3.0"].map((release) => {
      const folder = path.join(__dirname, `../fixtures/charts/casa-runtime-${release}/crds`);
      const files = fs.readdirSync(folder).map((file) => fs.readFileSync(path.join(folder, file), "utf8"));
      return parseCrds(files.flatMap((manifest) => parseManifest(manifest)));
    });
    let compared = 0;
    for (const older of all.flat()) {
      for (const newer of all.flat().filter(({ metadata }) => metadata.name === older.metadata.name)) {
        expect(ours(older, newer), older.metadata.name).to.deep.equal(await theirs(older, newer));
        compared += 1;
      }
    }
    expect(compared).to.be.at.least(16);
  });

  it("differs in one thing: an old difference of served versions is not new because a neighbouring keyword changes", async () => {
    const of = (title: string) => two("v1", "v2", text({ title }), text({ title, format: "date" }));
    const [before, after] = [of("a"), of("b")];
    const found = ours(before, after);
    expect(found).to.deep.equal(["error unhandled v1 ^.spec.field", "error unhandled v2 ^.spec.field"]);
    // crdify's text of the old difference in `format` shows the title beside it, and so is another text than before.
    expect(await theirs(before, after)).to.deep.equal([...found, "error unhandled v1 -> v2 ^.spec.field"].sort());
  });

  it("has cases for each shared rule that break it and that do not", () => {
    expect(CRD_PAIRS.length).to.be.at.least(60);
    expect(new Set(CRD_PAIRS.map(({ name }) => name)).size).to.equal(CRD_PAIRS.length);
    const ids = SHARED_RULES.map(({ id }) => id);
    expect(ids.filter((id) => !CRD_PAIRS.some(({ violates }) => violates.includes(id)))).to.deep.equal([]);
    expect(ids.filter((id) => !CRD_PAIRS.some(({ allows }) => allows.includes(id)))).to.deep.equal([]);
  });

  it("crdify knows each shared rule by its name", async () => {
    const { before, after } = CRD_PAIRS[0] ?? expect.fail("no pair");
    await theirs(before, after);
    const urls = ["0.json", "1.json"].map((file) => `file://${path.join(scratch, file)}`);
    const config = path.join(scratch, "config.json");
    const complaint = async (names: string[]) => {
      fs.writeFileSync(config, JSON.stringify({ validations: names.map((name) => ({ name, enforcement: "Error" })) }));
      return (await execa(crdify, [...urls, "--config", config], { reject: false })).stderr;
    };
    // `unhandled` is no validation of its own for crdify: it is configured by another key.
    expect(await complaint(SHARED_RULES.map(({ id }) => id).filter((id) => id !== "unhandled"))).to.equal("");
    expect(await complaint(["noSuchRule"])).to.contain("unknown validation");
  });

  it("agrees on 150 random pairs", async () => {
    for (let seed = 1; seed <= 150; seed += 1) {
      const { before, after } = randomPair(seed);
      expect(ours(before, after), `seed ${seed}`).to.deep.equal(await theirs(before, after));
    }
  });
});
