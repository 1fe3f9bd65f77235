import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import execa from "execa";
import { prepareConfig } from "../../../config/config-load";
import { showUserErrors } from "../../../config/show-errors";
import type { PolicyRule } from "../../../kubernetes/rules";
import { parseReview } from "../../../review/report/json";
import type { Review } from "../../../review/report/schema";
import { planFor } from "../../../upgrade/plan";
import { demoObjects, toYaml } from "../../fixtures/mas";
import { commentsIn, FAKE_GH, githubStep, gitlabScript, Notes, Runner } from "../world/pipeline";
import { chartPath, RELEASE_NAMESPACE, ROOT, World } from "../world/world";

const ROLE = "casa-upgrade-casa-runtime-casa-upgrade";
const NEXT_MONTH = new Date(Date.now() + 30 * 24 * 3600 * 1000).toISOString().slice(0, 10);
const EXAMPLES = join(ROOT, "docs/examples/rbac");

describe("accounts that review and that upgrade, as the API server's RBAC sees them", function () {
  this.timeout(600_000);
  let world: World;
  const kubeconfigs: Record<string, string> = {};
  const printed: Record<string, string> = {};

  before(async () => {
    world = await World.open({ postgres: true });
    await world.helmInstall("0.1.0");
    await world.kubectl(["apply", "-f", "-"], toYaml(demoObjects({ policies: false, readyAfter: "0s" })));
    // As in a pipeline: which account it is, KUBECONFIG says.
    await world.useVersion("0.2.0", {
      kubeconfig: undefined,
      acknowledge: { "keycloak-highly-available": `${NEXT_MONTH} a sample has one replica` },
    });
    for (const role of ["review", "upgrade"]) {
      const run = await world.cli("permissions", "--role", role);
      if (run.code !== 0) throw new Error(run.text);
      printed[role] = run.stdout;
      await world.kubectl(["apply", "-f", "-"], run.stdout);
      kubeconfigs[role] = await login(`casa-upgrade-casa-${role}`);
    }
  });
  after(async () => world?.close());

  /** A kubeconfig whose context of the same name logs in as a service account. */
  async function login(account: string): Promise<string> {
    const file = join(world.scratch, `${account}.yaml`);
    const token = await world.kubectl(["create", "token", account, "-n", RELEASE_NAMESPACE]);
    writeFileSync(file, await world.kubectl(["config", "view", "--raw", "--minify"]));
    const config = (...args: string[]) =>
      execa(world.tools.path("kubectl"), ["--kubeconfig", file, "config", ...args], { cwd: world.scratch });
    await config("set-credentials", "account", "--token", token);
    await config("set-context", world.cluster.context, "--user", "account");
    return file;
  }

  const planFile = () => join(world.engine.projectDirectory, "review", "plan.json");
  const become = (role: string) => ({ KUBECONFIG: kubeconfigs[role] });

  /** Takes verbs of a resource away, asks for the plan of an update, and gives them back. */
  async function planWithout(kind: string, namespace: string | undefined, resource: string, verbs: string[]) {
    const at = namespace === undefined ? [] : ["-n", namespace];
    const role = await world.json<{ rules: PolicyRule[] }>(kind, ROLE, ...at);
    const rules = role.rules.flatMap((rule) => {
      if (!rule.resources.includes(resource)) return [rule];
      const others = rule.resources.filter((one) => one !== resource);
      const left = rule.verbs.filter((verb) => !verbs.includes(verb));
      return [
        ...(others.length > 0 ? [{ ...rule, resources: others }] : []),
        ...(left.length > 0 ? [{ ...rule, resources: [resource], verbs: left }] : []),
      ];
    });
    expect(rules, "the role has no such right").not.to.deep.equal(role.rules);
    const write = (list: PolicyRule[]) =>
      world.kubectl(["patch", kind, ROLE, ...at, "--type=merge", "-p", JSON.stringify({ rules: list })]);
    await write(rules);
    await counts(false, at, resource, verbs[0] ?? "");
    try {
      return await plan("upgrade");
    } finally {
      await write(role.rules);
      await counts(true, at, resource, verbs[0] ?? "");
    }
  }

  /** RBAC takes effect a moment after it was written. */
  async function counts(wanted: boolean, at: string[], resource: string, verb: string): Promise<void> {
    const name = resource === "clusterroles" ? "clusterroles/casa-operator" : resource;
    const [what = "", subresource] = name.startsWith("pods/") ? name.split("/") : [name];
    const more = subresource === undefined ? [] : ["--subresource", subresource];
    const ask = ["--kubeconfig", kubeconfigs["upgrade"] ?? "", "auth", "can-i", verb, what, ...more, ...at];
    for (let i = 0; i < 300; i++) {
      const { stdout } = await execa(world.tools.path("kubectl"), ask, { cwd: ROOT, reject: false });
      if (stdout.startsWith("yes") === wanted) return;
      await sleep(100);
    }
    throw new Error(`kubectl ${ask.join(" ")} never said ${wanted ? "yes" : "no"}`);
  }

  /** The review of an update, or what it is refused for. */
  async function plan(role: string): Promise<Review | string> {
    const config = {
      context: world.cluster.context,
      kubeconfig: kubeconfigs[role] ?? "",
      chart: join(ROOT, chartPath("casa-runtime-0.2.0")),
      version: "0.2.0",
      backup: JSON.stringify({ destination: join(world.scratch, "backups") }),
    };
    const all = Object.fromEntries(Object.entries(config).map(([key, text]) => [`p:${key}`, text]));
    return showUserErrors(() => planFor(prepareConfig("p", all, []), "s")).then(
      ({ review }) => review,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
  }

  it("the examples in the docs are what the command prints for this stack", () => {
    for (const role of ["review", "upgrade"]) {
      expect(readFileSync(join(EXAMPLES, `${role}.yaml`), "utf8"), role).to.equal(`${printed[role]}\n`);
    }
  });

  it("the account that reviews holds no right to write", () => {
    const verbs = [...(printed["review"] ?? "").matchAll(/verbs: \[(.*)\]/g)].flatMap(([, list = ""]) =>
      list.split(", "),
    );
    expect([...new Set(verbs)].sort()).to.deep.equal(["get", "list", "watch"]);
    expect(printed["review"]).not.to.match(/pods\/(exec|portforward)/);
  });

  it("a review without write permissions says what could not be asked, and refuses nothing", async () => {
    const before = await world.fingerprint();
    const runner = new Runner(world, "github-plan", { GITHUB_REPOSITORY: "o/r", NUMBER: "7" });
    const text = readFileSync(kubeconfigs["review"] ?? "", "utf8");
    const login = await runner.run(githubStep("plan.yml", "plan", "Log in"), { KUBECONFIG_TEXT: text });
    expect(login, login.text).to.include({ code: 0, text: "" });
    const run = await runner.run(githubStep("plan.yml", "plan", "Plan"));
    expect(run.code, run.text).to.equal(0);
    expect(run.text).to.contain("not asked: this user may only read");
    const review = parseReview(readFileSync(planFile(), "utf8"));
    expect(review.refusals).to.deep.equal([]);
    const changes = review.objects.filter(({ writer }) => writer !== "record");
    for (const { name, check } of changes) expect(check.result, name).to.equal("unchecked");
    expect(changes.map(({ kind, name }) => `${kind} ${name}`)).to.include.members([
      "CustomResourceDefinition casapolicies.casa.io",
      "Deployment casa-keycloak",
      "StatefulSet ledger",
    ]);
    expect(review.warnings.join("\n")).to.contain("may only read").and.to.contain("database servers were not asked");
    const preview = await world.engine.preview(world.stack, [], { env: become("review") });
    expect(preview.exitCode, preview.all).to.equal(0);
    expect(preview.all).to.contain("may only read");

    const comments = join(runner.temporary, "comments.json");
    mkdirSync(join(runner.temporary, "bin"));
    writeFileSync(join(runner.temporary, "bin", "gh"), FAKE_GH, { mode: 0o755 });
    runner.putOnPath(join(runner.temporary, "bin"));
    for (const round of ["a comment is made", "and changed in its place"]) {
      const comment = await runner.run(githubStep("plan.yml", "plan", "Comment"), { COMMENTS: comments });
      expect(comment, `${round}: ${comment.text}`).to.include({ code: 0, text: "" });
      expect(commentsIn(comments), round).to.have.length(1);
    }
    expect(commentsIn(comments)[0]).to.match(/^<!-- casa-upgrade plan test -->\n## Upgrade of `casa-runtime`/);
    expect(await world.fingerprint()).to.deep.equal(before);
  });

  it("the same account cannot upgrade, and is told so before anything changes", async () => {
    const error = await plan("review");
    expect(error)
      .to.be.a("string")
      .that.contains("create, update, delete secrets in namespace casa-runtime")
      .and.to.contain("casa-upgrade permissions --role upgrade");
  });

  it("the account that upgrades has what a plan with a backup needs", async () => {
    const review = await plan("upgrade");
    if (typeof review === "string") throw new Error(review);
    // What the API server answers is what the review without it foresaw, field by field.
    const reviewed = parseReview(readFileSync(planFile(), "utf8"));
    const unasked = (objects: Review["objects"]) => objects.map(({ check: _check, ...change }) => change);
    expect(unasked(review.objects)).to.deep.equal(unasked(reviewed.objects));
    expect(review.crds).to.deep.equal(reviewed.crds);
  });

  const cases: [string, string | undefined, string, string[], string][] = [
    ["role", RELEASE_NAMESPACE, "secrets", ["update"], "update secrets in namespace casa-runtime"],
    ["role", RELEASE_NAMESPACE, "wasmplugins", ["patch"], "patch wasmplugins.extensions.istio.io in namespace"],
    ["role", RELEASE_NAMESPACE, "pods/exec", ["create"], "create pods/exec in namespace casa-runtime"],
    ["role", "mas-travel", "deployments", ["patch"], "patch deployments.apps in namespace mas-travel"],
    ["role", "mas-travel", "statefulsets", ["list"], "statefulsets.apps in namespace mas-travel"],
    ["clusterrole", undefined, "customresourcedefinitions", ["update"], "update customresourcedefinitions"],
    ["clusterrole", undefined, "multiagentsystems", ["list"], "list multiagentsystems.casa.io"],
    ["clusterrole", undefined, "clusterroles", ["escalate"], "let him escalate and bind clusterroles"],
  ];
  for (const [kind, namespace, resource, verbs, told] of cases) {
    it(`without "${verbs.join(", ")} ${resource}" ${namespace === undefined ? "in the cluster" : `in ${namespace}`} it is told so`, async () => {
      const outcome = await planWithout(kind, namespace, resource, verbs);
      const error = typeof outcome === "string" ? outcome : outcome.verdict;
      expect(error).to.contain(told);
      expect(error.match(/Fix:/g)?.length ?? 0).to.be.within(1, 2);
    });
  }

  it("GitLab: the plan becomes a note that is changed in its place", async () => {
    const notes = await Notes.open();
    try {
      const runner = new Runner(world, "gitlab-plan", { ...notes.environment, ...become("review") });
      const run = await runner.run(gitlabScript("plan"));
      expect(run.code, run.text).to.equal(0);
      expect(notes.bodies).to.have.length(1);
      notes.bodies[0] = `${notes.bodies[0]?.split("\n")[0] ?? ""} as it was before`;
      // The review is there already.
      writeFileSync(join(runner.temporary, "npx"), "#!/bin/sh\nexit 2\n", { mode: 0o755 });
      runner.putOnPath(runner.temporary);
      const again = await runner.run(gitlabScript("plan"));
      expect(again.code, again.text).to.equal(0);
      expect(notes.bodies).to.have.length(1);
      expect(notes.bodies[0]).to.match(/^<!-- casa-upgrade plan test -->\n## Upgrade of `casa-runtime`/);
    } finally {
      notes.close();
    }
  });

  it("after the merge: planned again, then the account that upgrades carries out exactly that, once", async () => {
    const reviewer = new Runner(world, "merge-plan", become("review"));
    const again = await reviewer.run(gitlabScript("plan-again"));
    expect(again.code, again.text).to.equal(0);
    const planned = await reviewer.run(githubStep("upgrade.yml", "plan", "Plan"));
    expect(planned.code, planned.text).to.equal(0);
    expect(reviewer.left("GITHUB_OUTPUT")).to.equal("code=2\n");
    expect(reviewer.left("GITHUB_STEP_SUMMARY")).to.contain("changes to review");

    const upgrader = new Runner(world, "merge-upgrade", become("upgrade"));
    const run = await upgrader.run(githubStep("upgrade.yml", "upgrade", "Upgrade"));
    expect(run.code, run.text).to.equal(0);
    expect(await world.helmVersions()).to.deep.equal(["casa-runtime-0.1.0 superseded", "casa-runtime-0.2.0 deployed"]);
    // The release moved meanwhile, by the first of the two.
    const moved = await upgrader.run(gitlabScript("upgrade"));
    expect(moved.code, moved.text).to.equal(1);
    expect(moved.text).to.contain("installed revision: reviewed 1, now 2");
  });

  it("at night: nothing is told as long as all is as the stack has it, then what drifted", async () => {
    const runner = new Runner(world, "drift", become("review"));
    const clean = await runner.run(githubStep("drift.yml", "drift", "Compare"));
    expect(clean.code, clean.text).to.equal(0);
    await world.kubectl(["delete", "crd", "casapolicies.casa.io"]);
    const drifted = await runner.run(gitlabScript("drift"));
    expect(drifted.code, drifted.text).to.equal(2);
  });
});
