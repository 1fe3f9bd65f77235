import { expect } from "chai";
import { UserError } from "../../../shared/user-error";
import { parseConfig, parseWorkloadRef } from "../../../config/config";

const REMOTE = { context: "prod", chart: "oci://registry.example.com/charts/casa-runtime", version: "0.1.18" };
const LOCAL = { context: "prod", chart: "./charts/casa-runtime" };

/** The message of the error that a configuration must give. */
function refused(raw: Record<string, unknown>, secretKeys?: string[]): string {
  try {
    parseConfig(raw, secretKeys);
  } catch (error) {
    expect(error).to.be.instanceOf(UserError);
    return (error as Error).message;
  }
  throw new Error("the configuration was accepted");
}

/** The problems of the message, one text each. */
const problems = (message: string) => message.split("\n- ").slice(1);

describe("parseConfig", () => {
  it("fills in every default", () => {
    expect(parseConfig(LOCAL)).to.deep.equal({
      ...LOCAL,
      kubeconfig: undefined,
      clusterId: undefined,
      repository: undefined,
      version: undefined,
      release: "casa",
      namespace: "casa-runtime",
      values: {},
      secretValues: {},
      valueFiles: [],
      mode: "istio",
      webhook: "casa-sidecar-injector",
      acknowledge: [],
      backup: {
        ...{ enabled: true, destination: "backups", keep: 5, discover: true, databases: [], timeoutSeconds: 3600 },
        proof: "auto",
        ...{ s3Endpoint: undefined, s3Region: "us-east-1", pvcImage: "docker.io/library/busybox:1.37.0" },
      },
      allowInstall: false,
      crdSources: {},
      takeOverCrds: [],
      crdRules: [],
      customResourceMigrations: undefined,
      maxHistory: 10,
      migrationGate: {
        enabled: true,
        deployment: undefined,
        checkLogs: true,
        compareData: true,
        httpPath: undefined,
        port: 8000,
        expectedRevision: undefined,
      },
      restarts: {
        brokenBefore: "last",
        reason: undefined,
        enabled: true,
        discovery: true,
        maxConcurrent: 1,
        canarySoakSeconds: 0,
        canaries: [],
        exclude: [],
        workloads: [],
        inputs: [],
        sidecarDeployment: undefined,
      },
      timeouts: {
        connect: 10,
        request: 60,
        crds: 60,
        customResources: 3600,
        release: 600,
        migration: 300,
        injection: 120,
        restart: 300,
      },
    });
  });

  it("keeps the defaults beside the keys of a map that are set", () => {
    const config = parseConfig({ ...LOCAL, timeouts: { release: 900 }, restarts: { maxConcurrent: 3 } });
    expect(config.timeouts).to.include({ connect: 10, release: 900 });
    expect(config.restarts).to.include({ enabled: true, maxConcurrent: 3 });
  });

  it("takes the empty defaults of Pulumi.yaml for not set", () => {
    const empty = { kubeconfig: "", clusterId: "", repository: "", version: "" };
    expect(parseConfig({ ...LOCAL, ...empty, restarts: { sidecarDeployment: "" } })).to.deep.equal(parseConfig(LOCAL));
  });

  it("parses the named workloads", () => {
    const { restarts } = parseConfig({ ...LOCAL, restarts: { canaries: ["StatefulSet/a/b"], exclude: ["a/c"] } });
    expect(restarts.canaries).to.deep.equal([{ kind: "StatefulSet", namespace: "a", name: "b" }]);
    expect(restarts.exclude).to.deep.equal([{ namespace: "a", name: "c" }]);
  });

  it("says key, value, what is allowed and the line that fixes it, for all problems at once", () => {
    expect(refused({ chart: REMOTE.chart, mode: "linkerd", restarts: { maxConcurrent: 0, maxConcurent: 2 } })).to.equal(
      `the configuration of this stack has 5 problems:
- context: is not set; allowed: the name of a kubeconfig context.
    Fix: pulumi config set context prod-eu
- mode: is "linkerd"; allowed: istio or cilium.
    Fix: pulumi config set mode istio
- restarts.maxConcurrent: is 0; allowed: a whole number from 1 to 1000, or a share from 1% to 100%.
    Fix: pulumi config set --path restarts.maxConcurrent 3
- restarts.maxConcurent: is not a key of this project; the nearest one is "restarts.maxConcurrent".
    Fix: pulumi config rm --path restarts.maxConcurent
- version: is not set; allowed: an exact version such as 0.1.18, no range: two runs must mean the same.
    Fix: pulumi config set version 0.1.18`,
    );
  });

  describe("refuses", () => {
    const cases: [string, Record<string, unknown>, string][] = [
      ["an upper-case release", { release: "Casa" }, `release: is "Casa"; allowed: lower-case`],
      ["a release longer than helm takes", { release: "a".repeat(54) }, "at most 53"],
      ["a namespace that is no DNS label", { namespace: "a.b" }, `namespace: is "a.b"; allowed: lower-case`],
      ["a cluster ID that is no UID", { clusterId: "prod" }, `clusterId: is "prod"; allowed: a UID`],
      ["text for a boolean", { allowInstall: "yes" }, `allowInstall: is "yes"; allowed: true or false`],
      [
        "a history of 1, which leaves nothing to go back to",
        { maxHistory: 1 },
        "maxHistory: is 1; allowed: a whole number from 2",
      ],
      ["a fraction", { timeouts: { crds: 1.5 } }, "timeouts.crds: is 1.5; allowed: a whole number from 1 to 3600"],
      [
        "a timeout of none",
        { timeouts: { restart: 0 } },
        "timeouts.restart: is 0; allowed: a whole number from 1 to 86400",
      ],
      [
        "an endless timeout",
        { timeouts: { connect: 601 } },
        "timeouts.connect: is 601; allowed: a whole number from 1 to 600",
      ],
      [
        "a number for text",
        { restarts: { sidecarDeployment: 7 } },
        "restarts.sidecarDeployment: is 7; allowed: the name of",
      ],
      ["an object for a name", { webhook: "A b" }, `webhook: is "A b"; allowed: the name of a Kubernetes object`],
      [
        "a workload that is a Pod",
        { restarts: { exclude: ["Pod/a/b"] } },
        `restarts.exclude[0]: is "Pod/a/b"; allowed: [Deployment/|StatefulSet/|DaemonSet/|Rollout/]namespace/name`,
      ],
      [
        "an input without a kind",
        { restarts: { inputs: ["routing"] } },
        `restarts.inputs[0]: is "routing"; allowed: Kind/name`,
      ],
    ];
    for (const [what, keys, text] of cases) {
      it(what, () => expect(problems(refused({ ...LOCAL, ...keys })).join("")).to.include(text));
    }
  });

  it("prints a line that replaces a value which the CLI would not convert", () => {
    const message = refused({
      ...LOCAL,
      timeouts: { release: "10" },
      valueFiles: "v.yaml",
      restarts: { canaries: "a/b" },
    });
    const lines = message.split("\n").filter((line) => line.includes("Fix:"));
    expect(lines.map((line) => line.trim())).to.have.members([
      "Fix: pulumi config rm --path timeouts.release && pulumi config set --path timeouts.release 1200",
      "Fix: pulumi config rm valueFiles && pulumi config set --path 'valueFiles[0]' values.yaml",
      "Fix: pulumi config rm --path restarts.canaries && pulumi config set --path 'restarts.canaries[0]' Deployment/mas-travel/planner",
    ]);
  });

  describe("unknown keys", () => {
    const unknown = (keys: Record<string, unknown>) => problems(refused({ ...LOCAL, ...keys }))[0];

    it("names the nearest known key", () =>
      expect(unknown({ valuesFile: 1 })).to.include(`nearest one is "valueFiles"`));
    it("looks into the maps too", () => expect(unknown({ maxconcurrent: 1 })).to.include(`"restarts.maxConcurrent"`));
    it("prefers a key beside it", () =>
      expect(unknown({ restarts: { canarys: [] } })).to.include(`"restarts.canaries"`));
    it("lists the known keys when none is near", () =>
      expect(unknown({ timeouts: { sidecar: 5 } })).to.match(
        /known keys here: connect, request, crds, customResources, release, migration, injection, restart\./,
      ));
    it("quotes a key for the CLI and the shell", () =>
      expect(unknown({ restarts: { "it's.b": 1 } })).to.include(`pulumi config rm --path 'restarts["it'\\''s.b"]'`));
    it("takes a dot in the first part as it is", () =>
      expect(unknown({ "a.b": 1 })).to.match(/Fix: pulumi config rm a\.b$/));
  });

  describe("chart, repository and version", () => {
    const local = ["./x", "../x", "/x", "charts/x", "x.tgz", "test"];
    for (const chart of local) {
      it(`needs no version for ${chart}`, () => expect(parseConfig({ ...LOCAL, chart }).chart).to.equal(chart));
    }
    it("needs a version from oci://", () =>
      expect(problems(refused({ ...REMOTE, version: "" })))
        .to.have.length(1)
        .and.match(/^version: is not set/));
    it("needs a version from a repository", () =>
      expect(problems(refused({ context: "c", chart: "casa", repository: "https://x" }))[0]).to.match(
        /^version: is not set/,
      ));
    it("needs a repository for a name that is not a folder", () =>
      expect(problems(refused({ ...REMOTE, chart: "casa-runtime" }))[0]).to.match(
        /^repository: is not set; .*"casa-runtime"/,
      ));
    it("has no repository with oci://", () =>
      expect(refused({ ...REMOTE, repository: "https://x" })).to.match(
        /repository: is "https:\/\/x".*\n.*Fix: pulumi config rm repository$/,
      ));
    it("has no repository with a path", () =>
      expect(refused({ ...LOCAL, repository: "https://x" })).to.match(
        /chart: is ".\/charts.*\n.*Fix: pulumi config rm repository$/,
      ));
    it("has no other URL", () =>
      expect(problems(refused({ ...LOCAL, chart: "https://x/casa.tgz" })))
        .to.have.length(1)
        .and.match(/^chart: is "https/));
    it("sends an OCI repository to the chart key", () =>
      expect(refused({ ...REMOTE, chart: "casa", repository: "oci://x" })).to.include("set `chart` to oci://"));
    for (const version of ["^0.1.0", "0.1", "0.1.x", ">=1.0.0", "latest", "01.2.3", "1.2.3-"]) {
      it(`refuses version ${version}`, () =>
        expect(refused({ ...REMOTE, version })).to.include(`version: is "${version}"; allowed: an exact version`));
    }
    for (const version of ["0.1.18", "v1.2.3", "1.2.3-rc.1+build.5"]) {
      it(`takes version ${version}`, () => expect(parseConfig({ ...REMOTE, version }).version).to.equal(version));
    }
  });

  describe("secrets", () => {
    it("never shows a secret value", () => {
      const message = refused({ ...LOCAL, secretValues: "hunter2", secretValue: "hunter2", values: "hunter2" });
      expect(message).to.include("secretValues: is [secret]").and.not.include("hunter2");
    });
    it("never shows the value of any key that is stored encrypted", () =>
      expect(refused({ ...LOCAL, mode: "hunter2" }, ["mode"]))
        .to.include("mode: is [secret]")
        .and.not.include("hunter2"));
    it("never shows the password of a URL", () =>
      expect(refused({ ...REMOTE, repository: "https://me:hunter2@x" }))
        .to.include("//[secret]@x")
        .and.not.include("hunter2"));
    it("refuses secretValues in readable text, with a line that asks for the value", () => {
      const message = refused({ ...LOCAL, secretValues: { a: "hunter2" } }, []);
      expect(message).to.not.include("hunter2");
      expect(message).to.match(
        /config rm secretValues && pulumi config set --secret --path secretValues.postgresAuth.password$/,
      );
    });
  });

  it("shortens long values", () => expect(refused({ ...LOCAL, mode: "x".repeat(500) }).length).to.be.below(300));
});

describe("parseWorkloadRef", () => {
  it("reads a name with and without kind", () => {
    expect(parseWorkloadRef("a/b")).to.deep.equal({ namespace: "a", name: "b" });
    expect(parseWorkloadRef("Deployment/a/b.c")).to.deep.equal({ kind: "Deployment", namespace: "a", name: "b.c" });
    expect(parseWorkloadRef("DaemonSet/a/b")).to.deep.equal({ kind: "DaemonSet", namespace: "a", name: "b" });
  });
  for (const text of ["", "a", "a/", "/b", "CronJob/a/b", "a/b/c", "A/b", "a.b/c", "Deployment/a"]) {
    it(`refuses "${text}"`, () => expect(parseWorkloadRef(text)).to.equal(undefined));
  }
});
