import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { gunzipSync } from "node:zlib";
import { expect } from "chai";
import execa from "execa";
import { ApiError } from "../../../../kubernetes/api";
import { LiveMigration } from "../../../../components/custom-resource-migration/cluster/crd";
import { migrateCustomResources } from "../../../../components/custom-resource-migration/cluster/run";
import { migrateByApi } from "../../../../components/custom-resource-migration/cluster/storage-api";
import { readLiveCrds } from "../../../../kubernetes/crds";
import type { CrMigrationJob } from "../../../../components/custom-resource-migration/job";
import { planCrMigration } from "../../../../components/custom-resource-migration/plan";
import type { MigrationEntry } from "../../../../components/custom-resource-migration/rules";
import { type Crd, MIGRATION_ANNOTATION, parseCrds } from "../../../../crds/crds";
import { kubeObject } from "../../../../kubernetes/objects";
import {
  type SampleVersion,
  VERSIONED,
  VERSIONED_MIGRATIONS,
  versionedCrd,
  versionedObjects,
} from "../../../fixtures/versioned-crd";
import { ClusterFixture, refusal } from "../../world/cluster-fixture";
import { ROOT } from "../../world/world";

const COUNT = 200;
const KILLS = 20;

interface Agent {
  metadata: { name: string; labels: Record<string, string>; uid: string; resourceVersion: string };
  spec: Record<string, unknown>;
  status?: Record<string, unknown>;
}

describe("migration of custom resources", function () {
  this.timeout(300_000);
  let cluster: ClusterFixture;
  const destination = () => ({ kind: "folder" as const, path: join(cluster.scratch, "saved") });

  before(async () => {
    cluster = await ClusterFixture.start();
  });
  after(async () => cluster?.stop());

  async function job(to: SampleVersion, entries = VERSIONED_MIGRATIONS): Promise<CrMigrationJob | undefined> {
    const next = crdOf(versionedCrd(to));
    const live = (await readLiveCrds(cluster.client, [VERSIONED])).get(VERSIONED);
    const planned = planCrMigration(live, next, entries);
    if (!planned) return undefined;
    const { crd, from, readIn, rules, storage } = planned;
    const release = { name: "casa", namespace: "casa-runtime" };
    const common = { manifest: next, stack: "test", release, destination: destination(), timeoutSeconds: 60 };
    return { crd, from: [...from], to, readIn, rules: [...rules], storage, ...common };
  }

  const must = async (to: SampleVersion, entries?: MigrationEntry[]) => {
    const planned = await job(to, entries);
    if (!planned) throw new Error(`nothing to migrate to ${to}`);
    return planned;
  };
  const migrateTo = async (to: SampleVersion, entries?: MigrationEntry[]) =>
    migrateCustomResources(cluster.client, await must(to, entries), () => undefined);

  async function agents(version: SampleVersion): Promise<Agent[]> {
    const list = await cluster.client.api.list({ apiVersion: `versions.example/${version}`, kind: "Agent" });
    return list as Agent[];
  }

  /** The live CRD is the given one, without any trace of a migration, and stores nothing else. */
  async function isAt(version: SampleVersion): Promise<void> {
    const live = (await readLiveCrds(cluster.client, [VERSIONED])).get(VERSIONED);
    expect(live?.versions).to.deep.equal([{ name: version, served: true, storage: true }]);
    expect(live?.storedVersions).to.deep.equal([version]);
    expect(live?.annotations).not.to.have.property(MIGRATION_ANNOTATION);
    expect(JSON.stringify(live?.object["spec"])).to.contain('"required":["');
  }

  /** A new CRD of v1alpha1 with objects, some of them with a status, and some made by server-side apply. */
  async function fresh(count: number): Promise<void> {
    await cluster.kubectl("delete", "crd", VERSIONED, "--ignore-not-found");
    await cluster.apply(versionedCrd("v1alpha1"));
    await cluster.kubectl("wait", "--for=condition=Established", `crd/${VERSIONED}`);
    const objects = versionedObjects(count, "default");
    await until(async () => (await cluster.client.api.resource("versions.example/v1alpha1", "Agent")) !== undefined);
    await execa(cluster.tools.path("kubectl"), ["apply", "--server-side", "-f", "-"], {
      env: cluster.env,
      input: JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
    });
    for (const { metadata } of objects.slice(0, 5)) {
      const path = `/apis/versions.example/v1alpha1/namespaces/default/agents/${metadata.name}/status`;
      await cluster.client.api.request("PATCH", path, {
        body: { status: { phase: "Ready" } },
        contentType: "application/merge-patch+json",
      });
    }
  }

  it("renames, moves, removes and sets; status, labels and identity stay; the old version is gone", async () => {
    await fresh(COUNT);
    const before = await agents("v1alpha1");
    const result = await migrateTo("v1");
    expect(result).to.deep.include({ objects: COUNT, changed: COUNT, storedVersions: ["v1"], from: ["v1alpha1"] });
    await isAt("v1");
    const after = await agents("v1");
    expect(after.map(contentOf)).to.deep.equal(before.map(inV1).map(contentOf));
    expect(after.map(({ metadata }) => metadata.uid)).to.deep.equal(before.map(({ metadata }) => metadata.uid));
    const asOld = cluster.client.api.request("GET", "/apis/versions.example/v1alpha1/agents");
    expect(
      await asOld.then(
        () => 200,
        (error: unknown) => (error instanceof ApiError ? error.code : error),
      ),
    ).to.equal(404);
    expect(await job("v1"), "done: nothing more to do").to.equal(undefined);
  });

  it("saved them first, in a file that kubectl takes: put back, they are as they were", async () => {
    const { backup } = await migrateTo("v1alpha1");
    const saved = JSON.parse(gunzipSync(readFileSync(backup)).toString()) as { items: Agent[] };
    expect(saved.items).to.have.length(COUNT);
    expect(saved.items[0]?.metadata).not.to.have.any.keys("uid", "resourceVersion", "managedFields");
    expect(saved.items[1]?.spec).to.have.property("keycloakRealm", "realm-1");
    await isAt("v1alpha1");

    await migrateTo("v1");
    await cluster.kubectl(
      "label",
      "agents.versions.example",
      "agent-0001",
      "--namespace",
      "default",
      "team=other",
      "--overwrite",
    );
    // As the documentation says.
    await execa("sh", ["-c", `zcat ${backup} | kubectl replace -f -`], { env: cluster.env });
    const path = "/apis/versions.example/v1/namespaces/default/agents/agent-0001";
    const back = (await cluster.client.api.request("GET", path)) as Agent;
    expect(back.spec).to.deep.equal(saved.items[1]?.spec);
    expect(back.metadata.labels).to.deep.equal({ team: "t1" });
  });

  it(`killed at random points ${KILLS} times, there and back: every object ends right, none is lost`, async () => {
    await fresh(COUNT);
    const names = (await agents("v1alpha1")).map(({ metadata }) => `${metadata.name} ${metadata.uid}`);
    const before = await agents("v1alpha1");
    const kinds = new Map<string, number>();
    let [kills, to] = [0, "v1" as SampleVersion];
    for (let way = 0; way < 4; way++) {
      for (let kill = 0; kill < KILLS / 4; kill++) {
        const planned = await job(to);
        const run = start(planned ? [planned] : []);
        // Half of the kills wait for the first object, which is soon over; the others come at any time of a run.
        const begins = until(() => /: (saved|goes on)/.test(run.said()), 5);
        if (kill % 2 === 0) await Promise.race([begins, run.ended]);
        await Promise.race([sleep(randomInt(1, kill % 2 === 0 ? 150 : 1000)), run.ended]);
        begins.catch(() => undefined);
        kills += run.kill() ? 1 : 0;
        const { said } = await run.ended;
        const at = /objects changed/.test(said)
          ? "at the end"
          : /saved|goes on/.test(said)
            ? "between"
            : "at the start";
        kinds.set(at, (kinds.get(at) ?? 0) + 1);
      }
      if (await job(to)) await migrateTo(to);
      await isAt(to);
      expect((await agents(to)).map(({ metadata }) => `${metadata.name} ${metadata.uid}`)).to.deep.equal(names);
      const expected = to === "v1" ? before.map(inV1) : before.map(inV1).map(backInV1alpha1);
      expect((await agents(to)).map(contentOf)).to.deep.equal(expected.map(contentOf));
      to = to === "v1" ? "v1alpha1" : "v1";
    }
    console.log(`      killed ${kills} times; where they had come to: ${JSON.stringify(Object.fromEntries(kinds))}`);
    // A fast machine ends some runs before they are killed.
    expect(kills).to.be.at.least(KILLS / 4);
  });

  it("an object that would lose a field which no rule mentions: refused before anything changes, naming it", async () => {
    await fresh(10);
    const before = await cluster.kubectl("get", "crd,agents", "--output", "json");
    const forward = VERSIONED_MIGRATIONS[0] as MigrationEntry;
    const entries = [{ ...forward, rules: forward.rules.filter(({ remove }) => !remove) }];
    const message = await refusal(migrateTo("v1", entries));
    expect(message).to.contain("4 objects of CRD agents.versions.example cannot go to v1");
    expect(message)
      .to.contain("default/agent-0000: loses spec.legacy, which no rule mentions")
      .and.contain("Fix: add rules");
    expect(await cluster.kubectl("get", "crd,agents", "--output", "json")).to.equal(before);
  });

  it("a destination that takes nothing: nothing is changed", async () => {
    const before = await cluster.kubectl("get", "crd,agents", "--output", "json");
    const planned = await must("v1");
    const to = { ...planned, destination: { kind: "folder" as const, path: join(ROOT, "package.json") } };
    expect(await refusal(migrateCustomResources(cluster.client, to, () => undefined))).to.contain("backup destination");
    expect(await cluster.kubectl("get", "crd,agents", "--output", "json")).to.equal(before);
  });

  it("somebody keeps writing old forms: an error that says so; once that ends, the next run migrates those, too", async () => {
    await fresh(COUNT);
    const path = "/apis/versions.example/v1alpha1/namespaces/default/agents";
    let written = 0;
    const write = async () => {
      const name = `late-${written}`;
      const body = {
        apiVersion: "versions.example/v1alpha1",
        kind: "Agent",
        metadata: { name },
        spec: { realm: name },
      };
      await cluster.client.api.request("POST", path, { body });
      written++;
    };
    // Before each look at all objects, so that each finds something new, however fast or slow the machine is.
    const api = Object.create(cluster.client.api) as typeof cluster.client.api;
    api.eachPage = async (...args) => {
      await write();
      await cluster.client.api.eachPage(...args);
    };
    const client = Object.assign(Object.create(cluster.client) as typeof cluster.client, { api });
    const refused = await refusal(migrateCustomResources(client, await must("v1"), () => undefined));
    expect(refused).to.contain("somebody keeps writing objects").and.contain("Fix: find who");
    await migrateTo("v1");
    await isAt("v1");
    const late = (await agents("v1")).filter(({ metadata }) => metadata.name.startsWith("late-"));
    expect(late).to.have.length(written);
    for (const { metadata, spec } of late) expect(spec).to.deep.equal({ keycloakRealm: metadata.name, tier: "none" });
  });

  it("a webhook that refuses an object: one error with its name; when it is gone, the next run goes on", async () => {
    await fresh(20);
    await cluster.apply(...denyingPolicy("agent-0007"));
    await until(async () =>
      cluster.client.api
        .request("PUT", "/apis/versions.example/v1alpha1/namespaces/default/agents/agent-0007", {
          body: await cluster.client.api.request(
            "GET",
            "/apis/versions.example/v1alpha1/namespaces/default/agents/agent-0007",
          ),
          query: { dryRun: "All" },
        })
        .then(
          () => false,
          () => true,
        ),
    );
    expect(await refusal(migrateTo("v1"))).to.match(
      /Agent default\/agent-0007 cannot be written: .*not today[^]*Fix: /,
    );
    await cluster.kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", "deny-one");
    await until(async () =>
      migrateTo("v1").then(
        () => true,
        () => false,
      ),
    );
    await isAt("v1");
    expect(await agents("v1")).to.have.length(20);
  });

  it("the API server goes away in the middle: one error with what to do; the next run goes on", async () => {
    await fresh(COUNT);
    const run = start([await must("v1")]);
    await until(() => run.said().includes("saved"), 5);
    await cluster.cluster.stopApiServer();
    const { code, said } = await run.ended;
    expect(code).to.equal(1);
    expect(said).to.match(
      /not migrated, so nothing was upgraded: .*[^]*Fix: when the API server answers again: pulumi up/,
    );
    await cluster.cluster.startApiServer();
    await migrateTo("v1");
    await isAt("v1");
    expect(await agents("v1")).to.have.length(COUNT);
  });

  it("begun, and then the way back is taken: objects in both forms end in the old one", async () => {
    await fresh(COUNT);
    const run = start([await must("v1")]);
    // On a busy machine the CRD may change long after the objects were saved.
    const versions = async () => (await readLiveCrds(cluster.client, [VERSIONED])).get(VERSIONED)?.versions ?? [];
    for (let i = 0; i < 1000 && !(await versions()).some(({ name }) => name === "v1"); i++) await sleep(10);
    run.kill();
    await run.ended;
    await migrateTo("v1alpha1");
    await isAt("v1alpha1");
    const realms = (await agents("v1alpha1")).map(({ spec }) => spec["realm"]);
    expect(realms).to.deep.equal(Array.from({ length: COUNT }, (_, i) => `realm-${i}`));
  });

  /** The program as `pulumi up` runs it, in a process group of its own. */
  function start(jobs: CrMigrationJob[]) {
    const args = ["bundle/program.cjs", "migration", "--context", cluster.cluster.context];
    const begun = Date.now();
    const child = spawn("node", args, { cwd: ROOT, env: { ...process.env, ...cluster.env }, detached: true });
    let [said, running] = ["", true];
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    child.stdin.on("error", () => undefined);
    child.stdin.end(JSON.stringify({ migrations: jobs, occasion: "test" }));
    const ended = new Promise<{ code: number | null; said: string; took: number }>((resolve) =>
      child.on("close", (code) => {
        running = false;
        resolve({ code, said, took: Date.now() - begun });
      }),
    );
    const kill = () => running && child.kill("SIGKILL");
    return { ended, kill, said: () => said };
  }
});

describe("migration of custom resources by the cluster itself", function () {
  this.timeout(300_000);
  let cluster: ClusterFixture;

  before(async () => {
    cluster = await ClusterFixture.start({ storageMigration: true });
  });
  after(async () => cluster?.stop());

  it("stores objects anew that no rule changes, by a StorageVersionMigration which it leaves no trace of", async () => {
    await cluster.apply(versionedCrd("v1alpha1"));
    await cluster.kubectl("wait", "--for=condition=Established", `crd/${VERSIONED}`);
    await until(async () => (await cluster.client.api.resource("versions.example/v1alpha1", "Agent")) !== undefined);
    await cluster.apply(...versionedObjects(5, "default"));
    const { client } = cluster;
    const next = crdOf(versionedCrd("v1"));
    const deadline = Date.now() + 200_000;
    await new LiveMigration(client, next, "v1").makeTransitional({ to: "v1", rules: "", backup: "" }, deadline);
    const versions = async () => {
      const list = await client.api.list({ apiVersion: "versions.example/v1alpha1", kind: "Agent" });
      return (list as Agent[]).map(({ metadata }) => metadata.resourceVersion);
    };
    const before = await versions();

    // This form of the API waits for the garbage collector's watch, which on a quiet kind takes minutes; an object that
    // comes and goes wakes it.
    let on = true;
    const waking = (async () => {
      const path = "/apis/versions.example/v1alpha1/namespaces/other/agents";
      await cluster.kubectl("create", "namespace", "other");
      for (let i = 0; on; i++) {
        const body = { apiVersion: "versions.example/v1alpha1", kind: "Agent", metadata: { name: `wake-${i}` } };
        await client.api.request("POST", path, { body });
        await client.api.request("DELETE", `${path}/wake-${i}`);
        await sleep(1000);
      }
    })();
    const said: string[] = [];
    const options = { forms: ["v1alpha1"], beginMs: 180_000 };
    const done = await migrateByApi(client, next, "v1alpha1", deadline, (line) => said.push(line), options);
    on = false;
    await waking;
    expect(said).to.deep.equal(["agents.versions.example: stored anew by the cluster's StorageVersionMigration"]);
    expect(done).to.equal(true);
    const after = await versions();
    expect(after).to.have.length(5);
    for (const [i, version] of after.entries()) expect(version).not.to.equal(before[i]);
    expect(await cluster.kubectl("get", "storageversionmigrations", "--output", "name")).to.equal("");
  });

  it("a cluster whose controller does nothing: it is left after a while, and told", async () => {
    const said: string[] = [];
    const next = crdOf({ ...versionedCrd("v1"), metadata: { name: "agents.nowhere.example" } });
    const elsewhere = { ...next, spec: { ...next.spec, group: "nowhere.example" } };
    const options = { forms: ["v1alpha1"], beginMs: 500 };
    expect(
      await migrateByApi(cluster.client, elsewhere, "v1", Date.now() + 60_000, (line) => said.push(line), options),
    ).to.equal(false);
    expect(said.join()).to.contain("storing object by object");
  });
});

function inV1(agent: Agent): Agent {
  const { realm, legacy: _legacy, routes, ...rest } = agent.spec as { realm: string; legacy: unknown; routes: Route[] };
  const moved = routes.map(({ model, ...route }) => (model === undefined ? route : { ...route, llm: { name: model } }));
  const status = agent.status ? { status: { state: agent.status["phase"] } } : {};
  return { ...agent, spec: { ...rest, keycloakRealm: realm, routes: moved, tier: "none" }, ...status };
}

function backInV1alpha1(agent: Agent): Agent {
  const {
    keycloakRealm,
    tier: _tier,
    routes,
    ...rest
  } = agent.spec as { keycloakRealm: string; tier: string; routes: Route[] };
  const moved = routes.map(({ llm, ...route }) => (llm === undefined ? route : { ...route, model: llm.name }));
  const status = agent.status ? { status: { phase: agent.status["state"] } } : {};
  return { ...agent, spec: { ...rest, realm: keycloakRealm, routes: moved }, ...status };
}

interface Route {
  model?: string;
  llm?: { name: string };
}

/** What a migration may not change, and what it must. */
function contentOf({ metadata: { name, labels }, spec, status }: Agent): object {
  return { name, labels, spec, ...(status ? { status } : {}) };
}

function crdOf(object: object): Crd {
  const [crd] = parseCrds([{ source: "test", object: kubeObject.parse(object) }]);
  if (!crd) throw new Error("no CRD");
  return crd;
}

/** Admission by the API server itself that refuses updates of one object. */
function denyingPolicy(name: string): object[] {
  const metadata = { name: "deny-one" };
  const kind = "ValidatingAdmissionPolicy";
  const rule = { apiGroups: ["versions.example"], apiVersions: ["*"], operations: ["UPDATE"], resources: ["agents"] };
  return [
    {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind,
      metadata,
      spec: {
        failurePolicy: "Fail",
        matchConstraints: { resourceRules: [rule] },
        validations: [{ expression: `object.metadata.name != "${name}"`, message: "not today" }],
      },
    },
    {
      apiVersion: "admissionregistration.k8s.io/v1",
      kind: `${kind}Binding`,
      metadata,
      spec: { policyName: "deny-one", validationActions: ["Deny"] },
    },
  ];
}

async function until(done: () => boolean | Promise<boolean>, every = 100): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(every)) if (await done()) return;
  throw new Error("it never happened");
}
