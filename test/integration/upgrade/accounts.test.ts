import { readFileSync, writeFileSync } from "node:fs";
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
import { chartPath, RELEASE_NAMESPACE, ROOT, World } from "../world/world";

const ROLE = "casa-upgrade-casa-runtime-casa-upgrade";
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
    await world.useVersion("0.2.0");
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

  const become = (role: string) => world.config({ kubeconfig: kubeconfigs[role] });
  const planFile = () => join(world.scratch, "reviewed", "plan.json");

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
    await become("review");
    const before = await world.fingerprint();
    const run = await world.cli("plan", "--out", join(world.scratch, "reviewed"));
    expect(run.code, run.text).to.equal(2);
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
    const preview = await world.preview();
    expect(preview.ok, preview.text).to.equal(true);
    expect(preview.text).to.contain("may only read");
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

  it("the account that upgrades carries out exactly what the other one reviewed", async () => {
    await become("upgrade");
    const run = await world.cli("up", "--plan", planFile(), "--yes");
    expect(run.code, run.text).to.equal(0);
    expect(await world.helmVersions()).to.deep.equal(["casa-runtime-0.1.0 superseded", "casa-runtime-0.2.0 deployed"]);
    await become("review");
    const left = await world.cli("plan", "--json", "--out", join(world.scratch, "left"));
    expect(left.code, left.text).to.equal(0);
    expect(JSON.parse(left.stdout)).to.include({ verdict: "unchanged" });
  });
});
