import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { allPolicies } from "../../../policies/all";
import { Engine, secret } from "../../../sandbox/engine";
import { runSql } from "../../../sandbox/postgres";
import { parseEvents } from "../../../sandbox/engine/output";
import { demoObjects, toYaml } from "../../fixtures/mas";
import { makeSafe, SAFE_VALUES, UNSAFE_VALUES } from "../../fixtures/safe-chart";
import { chartPath, RELEASE_NAMESPACE, ROOT, World } from "../world/world";

const PACK = join(ROOT, "policies");
const RESULTS = join(ROOT, "docs/policies-results.md");

/** What one run of the engine said of one policy. */
interface Judged {
  policy: string;
  level: string;
  message: string;
}

interface Verdict {
  ok: boolean;
  text: string;
  findings: Judged[];
  /** Names of the policies that found something. */
  violated: string[];
}

describe("the policy pack on the real engine", function () {
  this.timeout(600_000);
  let world: World;
  let packConfig: string;
  let runs = 0;
  /** Policy, stack and command to what came out; the table of docs/policies-results.md. */
  const table = new Map<string, Map<string, string>>();

  before(async () => {
    world = await World.open({ postgres: true });
    await world.helmInstall("0.1.0");
    await world.kubectl(["apply", "-f", "-"], toYaml(demoObjects({ policies: false, readyAfter: "0s" })));
    for (const namespace of ["mas-travel", "mas-finance"]) {
      await world.kubectl(["label", "namespace", namespace, "istio-injection=enabled", "--overwrite"]);
      await world.kubectl(["rollout", "status", "deployments,statefulsets", "-n", namespace, "--timeout=120s"]);
    }
    packConfig = join(world.scratch, "policy-config.json");
    configurePack({});
  });
  after(async () => world?.close());

  /** Settings of the pack, on top of an allow-list and digests, which are off by default. */
  function configurePack(settings: Record<string, unknown>): void {
    const strict = { "image-registries": { registries: ["registry.example"] }, "images-pinned": { digest: true } };
    writeFileSync(packConfig, JSON.stringify({ ...strict, ...settings }));
  }

  async function judge(command: "preview" | "up", engine: Engine = world.engine): Promise<Verdict> {
    const log = join(world.scratch, `policy-events-${++runs}.jsonl`);
    const args = ["--policy-pack", PACK, "--policy-pack-config", packConfig, "--event-log", log];
    const { all, exitCode } = await engine[command](world.stack, args);
    const findings = parseEvents(readFileSync(log, "utf8")).flatMap(({ policyEvent }) =>
      policyEvent
        ? [{ policy: policyEvent.policyName, level: policyEvent.enforcementLevel, message: policyEvent.message }]
        : [],
    );
    return {
      ok: exitCode === 0,
      text: all,
      findings,
      violated: [...new Set(findings.map(({ policy }) => policy))].sort(),
    };
  }

  function record(stack: string, command: string, { violated }: Verdict, about: readonly string[] = names()): void {
    for (const policy of about) {
      const row = table.get(policy) ?? new Map<string, string>();
      row.set(`${stack} ${command}`, violated.includes(policy) ? "violated" : "passed");
      table.set(policy, row);
    }
  }

  const messagesOf = (verdict: Verdict, policy: string) =>
    verdict.findings.filter((found) => found.policy === policy).map(({ message }) => message);

  describe("an unsafe stack", () => {
    /** What it breaks: everything but what only other stacks can. */
    const expected = [
      "auth-service-available",
      "crds-compatible",
      "data-kept",
      "database-data-kept",
      "database-major-kept",
      "images-pinned",
      "image-registries",
      "keycloak-highly-available",
      "namespaces-labelled",
      "passwords-strong",
      "postgres-backup",
      "postgres-volume",
      "restarts-gentle",
      "secrets-encrypted",
      "sidecar-highly-available",
      "values-known",
      "version-steps",
    ].sort();

    before(async () => {
      await world.kubectl(["label", "namespace", "mas-travel", "istio-injection-"]);
      configurePack({ "image-registries": { registries: ["registry.internal"] } });
      await world.useVersion("0.3.0", {
        values: UNSAFE_VALUES,
        restarts: { maxConcurrent: 50 },
        backup: { enabled: false },
      });
    });
    after(async () => {
      await world.kubectl(["label", "namespace", "mas-travel", "istio-injection=enabled"]);
      configurePack({});
    });
    let previewed: Verdict;

    for (const command of ["preview", "up"] as const) {
      it(`${command} is refused by every policy that it breaks, and nothing on the cluster is written`, async () => {
        const before = await world.fingerprint();
        const verdict = await judge(command);
        if (command === "preview") previewed = verdict;
        expect(verdict.ok, verdict.text).to.equal(false);
        expect(verdict.violated, verdict.text).to.deep.equal(expected);
        expect(await world.fingerprint()).to.deep.equal(before);
        expect(await world.helmVersions()).to.deep.equal(["casa-runtime-0.1.0 deployed"]);
        for (const { policy, message } of verdict.findings) {
          expect(message, policy)
            .to.match(/Why it matters: /)
            .and.to.match(/Fix: /);
        }
        expect(verdict.text).not.to.contain("readable-by-everybody");
        record("unsafe", command, verdict, expected);
      });
    }

    it("casa-upgrade plan and up enforce it without being asked, with the settings they are given", async () => {
      const before = await world.fingerprint();
      const out = join(world.scratch, "policies-plan");
      world.policies = true;
      const plan = await world.cli("plan", "--out", out, "--policy-config", packConfig);
      expect(plan.code, plan.text).to.equal(1);
      expect(plan.text).to.contain("error: policy keycloak-highly-available: Deployment/casa-runtime/casa-keycloak");
      expect(plan.text).to.contain("not allowed (registry.internal)");
      expect(plan.text).to.contain("advice: policy passwords-strong: values keycloak.adminPassword");
      const markdown = readFileSync(join(out, "plan.md"), "utf8");
      expect(markdown).to.contain("### Refused by policies").and.to.contain("keycloak-highly-available");
      const up = await world.cli("up", "--yes");
      expect(up.code, up.text).to.equal(1);
      expect(up.text).to.contain("policy keycloak-highly-available").and.not.to.contain("registry.internal");
      world.policies = false;
      const free = await world.cli("plan", "--out", out);
      expect(free.code, free.text).to.equal(2);
      expect(await world.fingerprint()).to.deep.equal(before);
    });

    it("says what, where, why, the line that fixes it and the line that accepts it", async () => {
      const verdict = previewed;
      const [message = ""] = messagesOf(verdict, "keycloak-highly-available");
      expect(message).to.contain(`Deployment/${RELEASE_NAMESPACE}/casa-keycloak`).and.to.contain("1 of 2 replicas");
      expect(message).to.contain("pulumi config set --path values.keycloak.replicaCount 2");
      expect(message).to.contain(
        "pulumi config set --path 'acknowledge.keycloak-highly-available' '<YYYY-MM-DD> <reason>'",
      );
      // Of databases by what the running server says.
      const [moved = ""] = messagesOf(verdict, "database-data-kept");
      expect(moved).to.contain(`Deployment/${RELEASE_NAMESPACE}/casa-postgres-keycloak: its data is in`);
      expect(moved).to.contain("claim casa-postgres-keycloak (pgdata)").and.to.contain("emptyDir volume data (pgdata)");
      const [major = ""] = messagesOf(verdict, "database-major-kept");
      const [running = ""] = (await runSql(world.cluster.postgresEnv ?? {}, "SHOW server_version;")).split("\n");
      expect(major).to.contain(`casa-postgres-auth: PostgreSQL ${running} wrote the data in`);
      expect(major).to.contain("does not start").and.to.contain("acknowledge.database-major-kept");
    });
  });

  describe("Keycloak with two replicas that form no cluster", () => {
    before(async () => {
      await world.useVersion("0.2.0", {
        values: { keycloak: { replicaCount: 2 } },
        restarts: { maxConcurrent: 1 },
        acknowledge: { "postgres-backup": `${inDays(5)} a test` },
      });
    });

    for (const command of ["preview", "up"] as const) {
      it(`${command}: they do not count as highly available`, async () => {
        const before = await world.fingerprint();
        const verdict = await judge(command);
        expect(verdict.ok, verdict.text).to.equal(false);
        expect(messagesOf(verdict, "keycloak-clustered").join()).to.contain("start-dev");
        expect(verdict.violated).not.to.include("keycloak-highly-available");
        expect(await world.fingerprint()).to.deep.equal(before);
        record("unsafe", command, verdict, ["keycloak-clustered"]);
      });
    }

    it("is accepted until a day that somebody named, and no longer", async () => {
      const acknowledge = (until: string) => ({
        acknowledge: { "postgres-backup": `${inDays(5)} a test`, "keycloak-clustered": `${until} window CHG-1` },
      });
      await world.config(acknowledge(inDays(2)));
      const accepted = await judge("preview");
      expect(accepted.ok, accepted.text).to.equal(true);
      expect(accepted.text).to.contain(`acknowledged: keycloak-clustered until ${inDays(2)}: window CHG-1`);
      await world.config(acknowledge(inDays(-1)));
      const expired = await judge("preview");
      expect(expired.ok).to.equal(false);
      expect(messagesOf(expired, "keycloak-clustered").join()).to.contain(
        `accepted until ${inDays(-1)}; that day is over`,
      );
    });

    it("a platform team sets levels, limits and whether anything may be accepted", async () => {
      await world.config({
        acknowledge: { "keycloak-clustered": `${inDays(2)} window`, "postgres-backup": `${inDays(2)} x` },
      });
      configurePack({ "keycloak-clustered": { acknowledgeDays: 0 } });
      const strict = await judge("preview");
      expect(strict.ok).to.equal(false);
      expect(messagesOf(strict, "keycloak-clustered").join()).to.contain("does not let it be accepted");
      configurePack({ "keycloak-clustered": "disabled" });
      const off = await judge("preview");
      expect(off.ok, off.text).to.equal(true);
      configurePack({});
    });
  });

  describe("Releases that another program defines", () => {
    let bare: Engine;

    async function newBare(name: string): Promise<Engine> {
      const { tools, cluster } = world;
      const projectDir = join(ROOT, "test/fixtures/programs/bare-release");
      const engine = new Engine({ tools, dir: join(world.scratch, name), projectDir });
      await engine.stackInit(world.stack);
      const { kubeconfig, context } = cluster;
      await engine.setConfig(world.stack, { kubeconfig, context, chart: join(ROOT, chartPath("casa-runtime-0.2.0")) });
      return engine;
    }
    before(async () => {
      bare = await newBare("bare");
    });

    const unsafe = [
      "auth-service-available",
      "casa-release-reviewed",
      "crds-managed",
      "data-kept",
      "images-pinned",
      "image-registries",
      "keycloak-highly-available",
      "passwords-strong",
      "release-settings",
      "sidecar-highly-available",
    ].sort();

    for (const command of ["preview", "up"] as const) {
      it(`${command} of an unsafe one is refused by the rules that can judge it; the others say that they cannot`, async () => {
        await bare.setConfig(world.stack, {
          values: {
            keycloak: { replicaCount: 1, adminPassword: "admin", image: { tag: "latest" } },
            postgresAuth: { persistence: { enabled: false } },
            imageRegistry: "docker.io",
          },
          settings: { reuseValues: true, skipAwait: true },
        });
        const verdict = await judge(command, bare);
        expect(verdict.ok, verdict.text).to.equal(false);
        // The order of the whole program is judged at the end, which an update that is refused does not reach.
        const order = command === "preview" ? ["crds-before-chart"] : [];
        expect(verdict.violated, verdict.text).to.deep.equal([...unsafe, ...order].sort());
        const [limits = ""] = messagesOf(verdict, "casa-release-reviewed");
        for (const policy of ["version-steps", "postgres-backup", "namespaces-labelled", "keycloak-clustered"]) {
          expect(limits).to.contain(`${policy}: `);
        }
        expect(messagesOf(verdict, "release-settings")).to.have.length(4);
        expect(await world.helm("list", "--all", "--short", "--namespace", "casa-bare")).to.equal("");
        record("unsafe", command, verdict, ["crds-managed", "release-settings", "casa-release-reviewed", ...order]);
      });
    }

    it("preview: CRDs beside the Release are not before it", async () => {
      await bare.setConfig(world.stack, { ...SAFE_RELEASE, crds: "beside" });
      const verdict = await judge("preview", bare);
      expect(verdict.ok, verdict.text).to.equal(false);
      expect(messagesOf(verdict, "crds-before-chart").join()).to.contain("casapolicies.casa.io is not applied before");
    });

    it("up, without a preview: that is told, but only at the end", async () => {
      const { settings, ...safe } = SAFE_RELEASE;
      // The cluster has the other CRD and a release casa already, which would make this fail for another reason.
      await bare.setConfig(world.stack, { ...safe, settings: { ...settings, name: "bare" }, only: "casapolicies" });
      const verdict = await judge("up", bare);
      expect(verdict.ok, verdict.text).to.equal(false);
      expect(verdict.violated, verdict.text).to.deep.equal(["casa-release-reviewed", "crds-before-chart"]);
      record("unsafe", "up", verdict, ["crds-before-chart"]);
      await bare.setConfig(world.stack, { only: undefined });
    });

    it("preview of a safe one passes every rule that can judge it", async () => {
      await bare.setConfig(world.stack, { ...SAFE_RELEASE, crds: "before" });
      const verdict = await judge("preview", bare);
      expect(verdict.ok, verdict.text).to.equal(true);
      expect(verdict.violated, verdict.text).to.deep.equal(["casa-release-reviewed"]);
    });

    it("a value that is not known at preview is a finding, at the policy's own level", async () => {
      const fresh = await newBare("bare-unknown"); // one in which nothing exists yet
      await fresh.setConfig(world.stack, { ...SAFE_RELEASE, crds: "before", unknown: true });
      const verdict = await judge("preview", fresh);
      expect(verdict.ok, verdict.text).to.equal(false);
      expect(verdict.text).not.to.contain("can't run policy");
      const mandatory = verdict.findings.filter(({ level }) => level === "mandatory").map(({ policy }) => policy);
      expect([...new Set(mandatory)].sort()).to.deep.equal(
        ["crds-managed", "data-kept", "image-registries", "keycloak-highly-available", "release-settings"].sort(),
      );
      for (const policy of [
        "auth-service-available",
        "images-pinned",
        "passwords-strong",
        "sidecar-highly-available",
      ]) {
        expect(messagesOf(verdict, policy).join(), policy).to.match(/known/);
      }
    });
  });

  describe("a safe stack", () => {
    before(async () => {
      const chart = world.chartCopy("casa-runtime-0.2.0");
      makeSafe(chart);
      await world.config({
        chart,
        version: "0.2.0",
        values: SAFE_VALUES,
        secretValues: secret({
          keycloak: { adminPassword: "correct-horse-battery-staple" },
          postgresAuth: { password: "correct-horse-battery-auth" },
          postgresKeycloak: { password: "correct-horse-battery-kc" },
        }),
        restarts: { maxConcurrent: 1 },
        acknowledge: undefined,
        backup: { destination: join(world.scratch, "backups") },
      });
      await world.kubectl([
        "label",
        "namespace",
        "mas-travel",
        "mas-finance",
        "istio-injection=enabled",
        "--overwrite",
      ]);
    });

    for (const command of ["preview", "up"] as const) {
      it(`${command} passes every policy, advisory ones included`, async () => {
        const verdict = await judge(command);
        expect(verdict.ok, verdict.text).to.equal(true);
        expect(verdict.findings, verdict.text).to.deep.equal([]);
        record("safe", command, verdict);
      });
    }

    it("another minor version of its clustered Keycloak is refused, a patch is not", async () => {
      // The passwords are those of the Secrets now, and not those of the servers.
      await world.config({ backup: { enabled: false }, acknowledge: { "postgres-backup": `${inDays(2)} a test` } });
      const of = async (tag: string) => {
        const image = { tag: `${tag}@${SAFE_VALUES.keycloak.image.tag.split("@")[1] ?? ""}` };
        await world.config({ values: { ...SAFE_VALUES, keycloak: { ...SAFE_VALUES.keycloak, image } } });
        return judge("preview");
      };
      const patch = await of("25.0.7");
      expect(patch.violated, patch.text).to.deep.equal([]);
      const minor = await of("26.0.1");
      expect(minor.violated, minor.text).to.deep.equal(["keycloak-version-step"]);
      expect(messagesOf(minor, "keycloak-version-step").join()).to.contain("from Keycloak 25.0 to 26.0");
      record("unsafe", "preview", minor, ["keycloak-version-step"]);
    });
  });

  // A suite runs its own tests before the suites in it.
  describe("the table of all results", () => {
    it("docs/policies-results.md holds these results (UPDATE=1 writes it)", () => {
      const columns = ["safe preview", "safe up", "unsafe preview", "unsafe up"];
      const rows = names().map((policy) => {
        const cells = columns.map((column) => table.get(policy)?.get(column) ?? "not judged");
        return `| ${[`\`${policy}\``, ...cells].join(" | ")} |`;
      });
      const text = [
        "<!-- Written by test/integration/policies/policies.test.ts with UPDATE=1; do not edit. -->",
        "",
        `| ${["policy", ...columns].join(" | ")} |`,
        `|${"---|".repeat(columns.length + 1)}`,
        ...rows,
        "",
      ].join("\n");
      if (process.env["UPDATE"]) writeFileSync(RESULTS, text);
      expect(text).to.equal(readFileSync(RESULTS, "utf8"));
      for (const policy of names()) {
        const row = table.get(policy);
        expect(row?.get("safe preview"), policy).to.equal("passed");
        expect(row?.get("unsafe preview"), policy).to.equal("violated");
      }
    });
  });
});

const names = () => allPolicies.map(({ name }) => name);

/** A safe Release by another program. */
const SAFE_RELEASE = {
  values: {
    keycloak: { replicaCount: 2, adminPassword: "correct-horse-battery-staple", image: { tag: "25.0.6" } },
    authService: { replicaCount: 2 },
    sidecar: { replicaCount: 2 },
    postgresAuth: { password: "correct-horse-battery-auth" },
    postgresKeycloak: { password: "correct-horse-battery-kc" },
    imageRegistry: "registry.example",
  },
  settings: { skipCrds: true, maxHistory: 5, timeout: 120 },
};

/** A day as YYYY-MM-DD, counted from today (UTC). */
function inDays(days: number): string {
  return new Date(Date.now() + days * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
}
