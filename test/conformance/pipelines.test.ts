import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import Ajv from "ajv";
import { expect } from "chai";
import execa from "execa";
import { parse } from "yaml";
import { gitlabSchema } from "../../sandbox/gitlab-schema";
import { Progress } from "../../sandbox/progress";
import { ensureTools } from "../../sandbox/tools";
import { ACTIONLINT } from "../../sandbox/tools/catalog";

const EXAMPLES = resolve(__dirname, "../../docs/examples");

describe("example pipelines, as those who run them check them", function () {
  this.timeout(300_000);

  it("actionlint finds nothing in the GitHub workflows", async () => {
    const tools = await ensureTools(Progress.silent(), [ACTIONLINT]);
    const folder = join(EXAMPLES, "github");
    const files = readdirSync(folder).filter((name) => name.endsWith(".yml"));
    expect(files.sort()).to.deep.equal(["drift.yml", "plan.yml", "upgrade.yml"]);
    const run = await execa(tools.path("actionlint"), ["-no-color", ...files.map((name) => join(folder, name))], {
      reject: false,
    });
    expect(`${run.stdout}${run.stderr}`).to.equal("");
    expect(run.exitCode).to.equal(0);
  });

  it("the GitLab pipeline is as GitLab's schema wants it", async function () {
    const schema = await gitlabSchema();
    if (schema === undefined) {
      console.log("      no pip here, which the schema comes with");
      this.skip();
    }
    const pipeline: unknown = parse(readFileSync(join(EXAMPLES, "gitlab/.gitlab-ci.yml"), "utf8"));
    const validate = new Ajv({ strict: false, validateFormats: false, logger: false }).compile(schema as object);
    expect(validate(pipeline), JSON.stringify(validate.errors)).to.equal(true);
    // It does find mistakes.
    expect(validate({ plan: { script: ["true"], when: "sometimes" } })).to.equal(false);
  });
});
