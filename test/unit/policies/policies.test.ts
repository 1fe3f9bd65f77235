import { expect } from "chai";
import type { Policies, PolicyResource, ResourceValidationPolicy, StackValidationPolicy } from "@pulumi/policy";
import { reviewArgs } from "../../../upgrade/upgrade-review";
import { acknowledged } from "../../../policies/acknowledge";
import { allPolicies } from "../../../policies/all";
import { chartName } from "../../../policies/release";
import { LIMITS, REVIEW_TYPE } from "../../../policies/rule";
import { judge, judgeStack, stackResource, UNKNOWN } from "../../../policies/testing";
import type { RuntimeFacts, RuntimeWorkload } from "../../../review/facts/schema";
import type { Review } from "../../../review/report/schema";
import { reviewOf, runtimeWorkload } from "../../fixtures/review";

const RELEASE = "kubernetes:helm.sh/v3:Release";
const OURS =
  "urn:pulumi:s::p::casa-upgrade:index:CasaUpgrade$casa-upgrade:index:RuntimeRelease$kubernetes:helm.sh/v3:Release::casa";

/** Policies that say nothing about the review of casa-upgrade: its own way of doing things leaves nothing to say. */
const RELEASE_ONLY = new Set(["crds-managed", "release-settings", "casa-release-reviewed"]);

const isResourcePolicy = (policy: Policies[number]): policy is ResourceValidationPolicy => "validateResource" in policy;
const byName = new Map(allPolicies.map((policy) => [policy.name, policy]));

function resourcePolicy(name: string): ResourceValidationPolicy {
  const policy = byName.get(name);
  if (!policy || !isResourcePolicy(policy)) throw new Error(`no such policy: ${name}`);
  return policy;
}

/** What `casa-review` carries for an upgrade with these sections. */
function reviewResource(sections: Partial<Omit<Review, "schemaVersion" | "risks">> = {}) {
  return {
    type: REVIEW_TYPE,
    name: "casa-review",
    props: reviewArgs(reviewOf(sections)) as unknown as Record<string, unknown>,
  };
}

function runtime(facts: Partial<RuntimeFacts>): { runtime: RuntimeFacts } {
  return { runtime: { ...reviewOf().runtime, ...facts } };
}

function workload(over: Partial<RuntimeWorkload>): { runtime: RuntimeFacts } {
  const image = { container: "main", image: "r.io/a:1.2.3", registry: "r.io", digest: false, moving: false };
  return runtime({ workloads: [runtimeWorkload({ images: [image], ...over })] });
}

const today = () => new Date().toISOString().slice(0, 10);
const check = (name: string, sections: Parameters<typeof reviewResource>[0], config?: Record<string, unknown>) =>
  judge(resourcePolicy(name), reviewResource(sections), config).messages;

describe("every policy", () => {
  it("has a name, a description, a level and described settings with defaults", () => {
    expect(new Set(allPolicies.map(({ name }) => name)).size).to.equal(allPolicies.length);
    for (const { name, description, enforcementLevel, configSchema } of allPolicies) {
      expect(name).to.match(/^[a-z]+(-[a-z]+)+$/);
      expect(description, name).to.match(/\.$/);
      expect(["advisory", "mandatory"], name).to.include(enforcementLevel);
      for (const [key, setting] of Object.entries(configSchema?.properties ?? {})) {
        expect(setting.description, `${name} ${key}`).to.be.a("string");
        expect(setting, `${name} ${key}`).to.have.property("default");
      }
    }
  });

  it("has nothing to say about an upgrade in order, and about resources that are none of its business", () => {
    for (const policy of allPolicies.filter(isResourcePolicy)) {
      expect(judge(policy, reviewResource()).messages, policy.name).to.deep.equal([]);
      expect(judge(policy, { type: "kubernetes:core/v1:Secret", props: {} }), policy.name).to.deep.equal({
        messages: [],
      });
      const other = { type: RELEASE, props: { chart: "oci://registry.example/charts/other", values: {} } };
      expect(judge(policy, other), policy.name).to.deep.equal({ messages: [] });
    }
  });
});

describe("no policy turns advisory over an unknown value", () => {
  const SECTIONS = ["runtime", "crds", "claims", "databases", "keycloak", "breaking", "restarts"];
  const reading = allPolicies.filter(isResourcePolicy).filter(({ name }) => !RELEASE_ONLY.has(name));

  for (const policy of reading) {
    it(`${policy.name}: facts that are not known are a finding`, () => {
      const unknown = Object.fromEntries(SECTIONS.map((section) => [section, UNKNOWN]));
      const { props } = reviewResource();
      const { messages } = judge(policy, { type: REVIEW_TYPE, props: { ...props, ...unknown } });
      expect(messages.join())
        .to.contain(`${policy.name} cannot be judged`)
        .and.to.contain("can't be known during preview");
    });
  }

  const ofReleases: [policy: string, props: Record<string, unknown>, config?: Record<string, unknown>][] = [
    ["keycloak-highly-available", { values: { keycloak: { replicaCount: UNKNOWN } } }],
    ["data-kept", { values: { postgresAuth: { persistence: { enabled: UNKNOWN } } } }],
    ["crds-managed", { skipCrds: UNKNOWN }],
    ["sidecar-highly-available", { values: { sidecar: { replicaCount: UNKNOWN } } }],
    ["images-pinned", { values: { keycloak: { image: { tag: UNKNOWN } } } }],
    ["image-registries", { values: { imageRegistry: UNKNOWN } }, { registries: ["registry.example"] }],
    ["passwords-strong", { values: { postgresAuth: { password: UNKNOWN } } }],
    ["auth-service-available", { values: { authService: { replicaCount: UNKNOWN } } }],
    ["release-settings", { reuseValues: UNKNOWN, maxHistory: UNKNOWN, skipAwait: UNKNOWN, timeout: UNKNOWN }],
  ];
  for (const [policy, props, config] of ofReleases) {
    it(`${policy}: an unknown input of a Release is a finding`, () => {
      for (const chart of ["casa-runtime", UNKNOWN]) {
        const { messages } = judge(resourcePolicy(policy), { type: RELEASE, props: { chart, ...props } }, config);
        expect(messages.join()).to.match(/known/);
      }
    });
  }

  it("all values unknown at once: every policy that judges a Release has a finding", () => {
    for (const [policy, , config] of ofReleases.filter(
      ([name]) => !["crds-managed", "release-settings"].includes(name),
    )) {
      const { messages } = judge(
        resourcePolicy(policy),
        { type: RELEASE, props: { chart: "casa-runtime", values: UNKNOWN } },
        config,
      );
      expect(messages.join(), policy).to.match(/known/);
    }
  });

  it("crds-before-chart counts a Release whose chart is not known as a runtime", () => {
    const release = stackResource({ type: RELEASE, props: { chart: UNKNOWN } });
    expect(judgeStack(byName.get("crds-before-chart") as StackValidationPolicy, [release])).to.have.length(1);
  });

  it("facts of another form are a finding, too: pack and program must fit", () => {
    const { props } = reviewResource();
    const { messages } = judge(resourcePolicy("data-kept"), { type: REVIEW_TYPE, props: { ...props, claims: "none" } });
    expect(messages.join()).to.contain("same version");
  });
});

describe("the rules", () => {
  it("Keycloak: one replica that is replaced is refused; two, or one that stays, is not", () => {
    const keycloak = (over: Partial<RuntimeWorkload>) => workload({ component: "keycloak", ...over });
    expect(check("keycloak-highly-available", keycloak({}))).to.have.length(1);
    expect(check("keycloak-highly-available", keycloak({ replicas: 2 }))).to.deep.equal([]);
    expect(check("keycloak-highly-available", keycloak({ replicas: 2 }), { replicas: 3 })).to.have.length(1);
    expect(check("keycloak-highly-available", keycloak({ rolls: false }))).to.deep.equal([]);
    const clustering = { clustered: false, why: "start-dev keeps sessions in a local cache" };
    expect(check("keycloak-clustered", keycloak({ replicas: 2, clustering }))[0]).to.contain("start-dev");
    expect(check("keycloak-clustered", keycloak({ replicas: 1, clustering }))).to.deep.equal([]);
    expect(
      check("keycloak-clustered", keycloak({ replicas: 2, clustering: { clustered: true, why: "" } })),
    ).to.deep.equal([]);
    // An autoscaler may add the second one.
    expect(check("keycloak-clustered", keycloak({ most: 3, clustering }))[0]).to.contain("up to 3 replicas");
    const unknown = { clustered: false, unknown: true as const, why: "ConfigMap x is not read" };
    expect(check("keycloak-clustered", keycloak({ replicas: 2, clustering: unknown }))[0])
      .to.contain("cannot be told: ConfigMap x")
      .and.not.to.contain("form no cluster");
  });

  it("PostgreSQL: RollingUpdate on a ReadWriteOnce claim, and no backup", () => {
    const postgres = (over: Partial<RuntimeWorkload>) =>
      workload({ component: "postgres", exclusiveClaims: ["data"], ...over });
    expect(check("postgres-volume", postgres({}))[0]).to.contain("scale deployment/casa-x --replicas 0");
    expect(check("postgres-volume", postgres({ strategy: "Recreate" }))).to.deep.equal([]);
    expect(check("postgres-volume", postgres({ exclusiveClaims: [] }))).to.deep.equal([]);
    expect(check("postgres-volume", postgres({ rolls: false }))).to.deep.equal([]);
    const backup = (planned: boolean, needed: boolean) =>
      runtime({ backup: { planned, needed, missing: [], why: "switched off" } });
    expect(check("postgres-backup", backup(false, true))[0]).to.contain("switched off");
    expect(check("postgres-backup", backup(true, true))).to.deep.equal([]);
    expect(check("postgres-backup", backup(false, false))).to.deep.equal([]);
  });

  it("restarts: all at once, and more than a share", () => {
    const restarts = (maxConcurrent: number, count: number) => ({
      restarts: {
        ...reviewOf().restarts,
        maxConcurrent,
        groups: [
          {
            name: "g",
            workloads: Array.from({ length: count }, (_, i) => ({
              ...{ workload: `Deployment/m/${i}`, done: false, replicas: 1, seconds: 1, start: i },
            })),
          },
        ],
      },
    });
    expect(check("restarts-gentle", restarts(50, 12))[0])
      .to.contain("All 12")
      .and.to.contain("maxConcurrent 3");
    expect(check("restarts-gentle", restarts(5, 12))[0])
      .to.contain("5 of 12")
      .and.to.contain("25 %");
    expect(check("restarts-gentle", restarts(3, 12))).to.deep.equal([]);
    expect(check("restarts-gentle", restarts(2, 2))[0])
      .to.contain("All 2")
      .and.to.contain("maxConcurrent 1");
    expect(check("restarts-gentle", restarts(2, 3))).to.deep.equal([]);
    expect(check("restarts-gentle", restarts(5, 1))).to.deep.equal([]);
    expect(check("restarts-gentle", restarts(5, 12), { share: 0.5 })).to.deep.equal([]);
  });

  it("the sidecar matters only where its silence denies", () => {
    const sidecar = (closed: string[], over: Partial<RuntimeWorkload> = {}) => ({
      runtime: { ...workload({ component: "sidecar", ...over }).runtime, failClosed: closed },
    });
    expect(check("sidecar-highly-available", sidecar(["EnvoyFilter f"]))[0]).to.contain("1 of 2 replicas and no Pod");
    expect(check("sidecar-highly-available", sidecar([]))).to.deep.equal([]);
    expect(check("sidecar-highly-available", sidecar(["EnvoyFilter f"], { replicas: 2, budget: "b" }))).to.deep.equal(
      [],
    );
    expect(
      check("sidecar-highly-available", sidecar(["EnvoyFilter f"], { replicas: 2 }), { budget: false }),
    ).to.deep.equal([]);
  });

  it("namespaces: a missing label, and one that may not be read", () => {
    const one = { name: "mas", label: "istio-injection=enabled", workloads: 2 };
    const [missing] = check("namespaces-labelled", runtime({ namespaces: [{ ...one, labelled: false }] }));
    expect(missing).to.contain("kubectl label namespace mas istio-injection=enabled");
    expect(check("namespaces-labelled", runtime({ namespaces: [{ ...one, labelled: null }] }))[0]).to.contain(
      "get namespaces",
    );
    expect(check("namespaces-labelled", runtime({ namespaces: [{ ...one, labelled: true }] }))).to.deep.equal([]);
  });

  it("images: moving tags, digests, and registries with a path", () => {
    const image = { container: "main", image: "r.io/team/a:latest", registry: "r.io", digest: false, moving: true };
    const of = (over: Partial<typeof image>) => workload({ images: [{ ...image, ...over }] });
    expect(check("images-pinned", of({}))[0]).to.contain("moving image r.io/team/a:latest");
    expect(check("images-pinned", of({ moving: false }))).to.deep.equal([]);
    expect(check("images-pinned", of({ moving: false }), { digest: true })[0]).to.contain("without a digest");
    expect(check("image-registries", of({}))).to.deep.equal([]);
    expect(check("image-registries", of({}), { registries: ["other.io"] })[0]).to.contain(
      "from r.io, which is not allowed",
    );
    const job = runtime({ jobs: [{ workload: "Job/casa-runtime/migrate", images: [image] }] });
    expect(check("images-pinned", job)[0]).to.contain("Job/casa-runtime/migrate");
    expect(check("image-registries", job, { registries: ["other.io"] })[0]).to.contain("Job/casa-runtime/migrate");
    expect(check("image-registries", of({}), { registries: ["r.io/team"] })).to.deep.equal([]);
    expect(check("image-registries", of({}), { registries: ["r.io/tea"] })).to.have.length(1);
  });

  it("versions and values", () => {
    const distance = (over: Partial<Review["breaking"]["distance"]>) => ({
      breaking: { ...reviewOf().breaking, distance: { ...reviewOf().breaking.distance, ...over } },
    });
    expect(check("version-steps", distance({ skipped: ["minor version 0.2 is skipped"] }))[0]).to.contain(
      "0.2 is skipped",
    );
    expect(check("version-steps", distance({ kind: "downgrade", text: "0.3.0 to 0.2.0" }))[0]).to.contain("goes back");
    expect(check("version-steps", distance({}))).to.deep.equal([]);
    const values = { path: "a.b", problem: "unknown" as const, text: "no chart knows a.b", suggestion: "a.c" };
    const breaking = {
      ...reviewOf().breaking,
      values: [values, { path: "r", problem: "required" as const, text: "" }],
    };
    expect(check("values-known", { breaking })).to.have.length(1);
    expect(check("values-known", { breaking })[0]).to.contain("rename it to a.c");
  });

  it("findings that one line puts right are one message", () => {
    const image = { container: "a", image: "x:latest", registry: "docker.io", digest: false, moving: true };
    const messages = check("images-pinned", workload({ images: [image, { ...image, container: "b" }] }));
    expect(messages).to.have.length(1);
    expect(messages[0]).to.match(/ a uses.*\n.* b uses/);
  });
});

describe("Releases of other programs", () => {
  const judgeRelease = (policy: string, props: Record<string, unknown>, config?: Record<string, unknown>) =>
    judge(
      resourcePolicy(policy),
      { type: RELEASE, name: "r", props: { chart: "./charts/casa-runtime-0.1.18.tgz", ...props } },
      config,
    );

  it("every policy judges them, says in casa-release-reviewed what it cannot, or does both", () => {
    const { messages } = judgeRelease("casa-release-reviewed", {});
    for (const [policy, what] of LIMITS) expect(messages[0]).to.contain(`${policy}: ${what}`);
    const silent = allPolicies.filter(isResourcePolicy).filter(({ name }) => {
      const { notApplicable, messages: said } = judgeRelease(
        name,
        {
          values: {
            postgresAuth: { persistence: { enabled: false }, password: "postgres" },
            a: { image: { tag: "latest" } },
            imageRegistry: "x",
          },
          reuseValues: true,
        },
        { registries: ["registry.example"] },
      );
      return notApplicable === undefined && said.length === 0;
    });
    expect(silent.map(({ name }) => name)).to.deep.equal([]);
  });

  it("may be accepted by name in the pack's config, until a day", () => {
    const config = { acknowledge: { prod: `${today()} window` } };
    expect(judgeRelease("keycloak-highly-available", { name: "prod" }, config).messages).to.deep.equal([]);
    expect(judgeRelease("keycloak-highly-available", { name: "other" }, config).messages).to.have.length(1);
    const over = { acknowledge: { prod: "2020-01-01 window" } };
    expect(judgeRelease("keycloak-highly-available", { name: "prod" }, over).messages[0]).to.contain(
      "that day is over",
    );
  });

  it("casa-upgrade's own Release is judged by its review, except for its settings", () => {
    const own = { type: RELEASE, name: "casa", urn: OURS, props: { chart: "casa-runtime", values: {}, maxHistory: 0 } };
    for (const policy of allPolicies.filter(isResourcePolicy)) {
      const { messages } = judge(policy, own);
      expect(messages.length > 0, policy.name).to.equal(policy.name === "release-settings");
    }
  });

  it("chart names, whatever form they have", () => {
    const forms = [
      "casa-runtime",
      "oci://r.io/charts/casa-runtime",
      "./casa-runtime-0.1.18.tgz",
      "/x/casa-runtime-0.2.0/",
      "https://h/casa-runtime-v1.2.3-rc.1.tgz",
      "oci://r.io:5000/charts/casa-runtime:0.1.18",
      "oci://r.io/charts/casa-runtime@sha256:0123",
      "oci://r.io/charts/casa-runtime:1.0@sha256:0123",
      "./casa-runtime-2024.1.tgz",
    ];
    expect(forms.map(chartName)).to.deep.equal(forms.map(() => "casa-runtime"));
    expect(chartName("other-runtime")).to.equal("other-runtime");
  });
});

describe("crds-before-chart", () => {
  const policy = byName.get("crds-before-chart") as StackValidationPolicy;
  const crd = (name: string, urn?: string) =>
    stackResource({ type: "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition", name, urn, props: {} });
  const release = (dependencies: PolicyResource[], parent?: PolicyResource, urn?: string) =>
    stackResource({ type: RELEASE, urn, props: { chart: "casa-runtime" } }, dependencies, parent);

  it("a CRD that the Release depends on, itself or through a component, is before it", () => {
    const one = crd("a.casa.io");
    expect(judgeStack(policy, [one, release([one])])).to.deep.equal([]);
    const component = stackResource({ type: "my:index:Runtime", props: {} }, [one]);
    expect(judgeStack(policy, [one, component, release([], component)])).to.deep.equal([]);
    const between = stackResource({ type: "command:local:Command", props: {} }, [one]);
    expect(judgeStack(policy, [one, between, release([between])])).to.deep.equal([]);
  });

  it("one beside it is not, and none at all is worse", () => {
    expect(judgeStack(policy, [crd("a.casa.io"), release([])])[0]).to.contain("a.casa.io is not applied before");
    expect(judgeStack(policy, [release([])])[0]).to.contain("No CRD is declared");
  });

  it("large CRDs are declared by the command that writes them", () => {
    const ours = "urn:pulumi:s::p::casa-upgrade:index:CasaUpgrade$casa-upgrade:index:CrdSet";
    const props = { crds: [{ name: "a.casa.io", resource: false }], applied: ["a.casa.io"] };
    const set = stackResource({
      type: "casa-upgrade:index:CrdSet",
      name: "casa-crds",
      urn: `${ours}::casa-crds`,
      props,
    });
    const writer = stackResource({
      ...{ type: "command:local:Command", name: "casa-crds-large", props: {} },
      urn: `${ours}$command:local:Command::casa-crds-large`,
    });
    const judged = (all: PolicyResource[], before: PolicyResource[]) =>
      judgeStack(policy, [...all, release(before, undefined, OURS)]);
    expect(judged([set, writer], [writer])).to.deep.equal([]);
    expect(judged([set, writer], [])[0]).to.contain("a.casa.io is not applied before");
    expect(judged([set], [])[0]).to.contain("a.casa.io belongs to the chart version");
  });

  it("casa-upgrade itself must declare every CRD of the chart version", () => {
    const ours = "urn:pulumi:s::p::casa-upgrade:index:CasaUpgrade$x::";
    const set = stackResource({ type: "casa-upgrade:index:CrdSet", props: { applied: ["a.casa.io", "b.casa.io"] } });
    const one = crd("a.casa.io", `${ours}a.casa.io`);
    expect(judgeStack(policy, [set, one, release([one], undefined, OURS)])[0]).to.contain(
      "b.casa.io belongs to the chart version",
    );
  });
});

describe("acknowledgements", () => {
  const now = new Date("2026-11-23T23:30:00Z");
  const state = (until: string, acknowledgeDays = 30) =>
    acknowledged("p", [{ policy: "p", until, reason: "r" }], { acknowledgeDays }, now);

  it("count up to and on their day, in UTC, and no further ahead than allowed", () => {
    expect(state("2026-11-23")).to.deep.equal({ accepted: true });
    expect(state("2026-12-23")).to.deep.equal({ accepted: true });
    expect(state("2026-11-22").note).to.contain("that day is over");
    expect(state("2026-12-24").note).to.contain("until 2026-12-23");
    expect(state("2026-11-23", 0).note).to.contain("does not let it be accepted");
    expect(
      acknowledged("q", [{ policy: "p", until: "2026-11-23", reason: "r" }], { acknowledgeDays: 30 }, now),
    ).to.deep.equal({
      accepted: false,
    });
  });

  it("an accepted finding of the review is silent, where the policy may be accepted at all", () => {
    const acknowledgements = ["keycloak-highly-available", "secrets-encrypted"].map((policy) => ({
      policy,
      until: today(),
      reason: "window",
    }));
    const password = { where: "values a.password", origin: "config" as const, problem: null };
    const facts = { ...workload({ component: "keycloak" }).runtime, passwords: [password] };
    expect(check("keycloak-highly-available", { runtime: facts, acknowledgements })).to.deep.equal([]);
    expect(check("secrets-encrypted", { runtime: facts, acknowledgements })).to.have.length(1);
  });
});
