import { expect } from "chai";
import {
  judgeRevision,
  parseRevisions,
  type SchemaReading,
  withSeen,
} from "../../../../components/migration-gate/revision";
import { rollbackLines, type RollbackFacts } from "../../../../components/migration-gate/rollback";
import { failureText, parseReport } from "../../../../components/migration-gate/settings";
import {
  alsoMigrating,
  databaseNamedOtherwise,
  findMigrationTarget,
} from "../../../../components/migration-gate/target";
import type { KubeObject } from "../../../../kubernetes/objects";
import { gateNeeds } from "../../../../components/migration-gate/cluster/permissions";

function workload(
  kind: string,
  name: string,
  component?: string,
  containers: object[] = [{ name: "main" }],
): KubeObject {
  const labels: Record<string, string> = component === undefined ? {} : { "app.kubernetes.io/component": component };
  const apiVersion = kind === "Job" ? "batch/v1" : "apps/v1";
  return { apiVersion, kind, metadata: { name, labels }, spec: { template: { spec: { containers } } } };
}

describe("what the migration gate waits for", () => {
  const rules = { release: "casa", namespace: "ns" };
  const other = workload("Deployment", "casa-keycloak", "keycloak");

  it("the Deployment by its name, else by its label, else none, and why", () => {
    const named = workload("Deployment", "casa-auth-service");
    const labelled = workload("Deployment", "auth", "auth-service");
    const find = (objects: KubeObject[], deployment?: string) =>
      findMigrationTarget(objects, [], { ...rules, ...(deployment === undefined ? {} : { deployment }) });
    expect(find([other, labelled, named]).deployment).to.deep.equal({
      kind: "Deployment",
      namespace: "ns",
      name: "casa-auth-service",
    });
    expect(find([other, labelled]).deployment?.name).to.equal("auth");
    expect(find([other]).missing).to.equal(
      "the chart has no Deployment casa-auth-service (it has: casa-keycloak) and none labelled app.kubernetes.io/component=auth-service",
    );
    expect(find([labelled, workload("Deployment", "auth2", "auth-service")]).missing).to.contain(
      "several are labelled",
    );
    // A name that somebody configured is never replaced by a guess.
    expect(find([labelled], "casa-auth").missing).to.equal("the chart has no Deployment casa-auth (it has: auth)");
  });

  it("another kind of workload, by name and by label; a Deployment comes first", () => {
    const find = (objects: KubeObject[], deployment?: string) =>
      findMigrationTarget(objects, [], { ...rules, ...(deployment === undefined ? {} : { deployment }) });
    const set = workload("StatefulSet", "casa-auth-service");
    expect(find([other, set]).deployment).to.deep.equal({
      kind: "StatefulSet",
      namespace: "ns",
      name: "casa-auth-service",
    });
    expect(find([set, workload("Deployment", "casa-auth-service")]).deployment?.kind).to.equal("Deployment");
    expect(find([other, workload("StatefulSet", "idp")], "idp").deployment?.kind).to.equal("StatefulSet");
    const labelled = workload("StatefulSet", "idp", "auth-service");
    expect(find([other, labelled]).deployment?.name).to.equal("idp");
    expect(find([labelled, workload("Deployment", "auth", "auth-service")]).deployment?.name).to.equal("auth");
    const rollout = { ...workload("Rollout", "idp", "auth-service"), apiVersion: "argoproj.io/v1alpha1" };
    expect(find([rollout]).deployment?.kind).to.equal("Rollout");
    expect(find([labelled, rollout]).missing).to.contain("several are labelled");
  });

  it("what else migrates, by command lines", () => {
    const runs = (kind: string, name: string, ...command: string[]) =>
      workload(kind, name, undefined, [{ name: "main", command }]);
    const objects = [
      runs("Deployment", "casa-auth-service", "alembic", "upgrade", "head"),
      runs("Deployment", "casa-auth-worker", "sh", "-c", "alembic upgrade head; worker"),
      runs("Job", "setup", "flask", "db", "upgrade"),
      runs("Job", "net", "dotnet", "ef", "database", "update"),
      runs("Deployment", "ui", "serve", "--db", "upgrade.json"),
      runs("CronJob", "nightly", "alembic", "check"),
    ];
    const known = [{ kind: "Deployment", namespace: "ns", name: "casa-auth-service" }];
    expect(alsoMigrating(objects, "ns", known).map(({ kind, name }) => `${kind} ${name}`)).to.deep.equal([
      "Deployment casa-auth-worker",
      "Job setup",
      "Job net",
    ]);
  });

  it("Jobs that migrate, hooks apart; the database and its container", () => {
    const job = workload("Job", "casa-setup", undefined, [{ name: "main", command: ["alembic", "upgrade", "head"] }]);
    const unrelated = workload("Job", "casa-backup");
    const hook = workload("Job", "casa-db-migrate");
    const database = workload("StatefulSet", "db", "postgres-auth", [
      { name: "metrics", image: "exporter:1" },
      { name: "server", image: "docker.io/library/postgres:15" },
    ]);
    const target = findMigrationTarget([job, unrelated, database], [hook], rules);
    expect(target.jobs.map(({ name, hook: isHook }) => [name, isHook])).to.deep.equal([
      ["casa-setup", false],
      ["casa-db-migrate", true],
    ]);
    expect(target.database).to.deep.equal({ kind: "StatefulSet", namespace: "ns", name: "db", container: "server" });
    expect(findMigrationTarget([other], [], rules).database).to.equal(undefined);
    // Named otherwise: the only server, or the only one with "auth" in its name.
    const server = (name: string): KubeObject => ({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name },
      spec: { template: { spec: { containers: [{ name: "postgresql", image: "bitnami/postgresql:15.4.0" }] } } },
    });
    const found = (...names: string[]) => databaseNamedOtherwise(names.map(server), "ns")?.name;
    expect(found("data")).to.equal("data");
    expect(found("kc-db", "authdb")).to.equal("authdb");
    expect(found("one", "two")).to.equal(undefined);
  });
});

describe("schema revision", () => {
  const read = (...revisions: string[]): SchemaReading => ({ state: "read", revisions });
  const judge = (reading: SchemaReading, seen: string[] = [], expected?: string[]) =>
    judgeRevision(reading, expected ? { seen, expected } : { seen });

  it("psql's answer: no table, rows, an empty table, several schemas, nonsense", () => {
    expect(parseRevisions("tables|0\n")).to.deep.equal({ state: "absent" });
    expect(parseRevisions("tables|1\nrow|public|t|b\nrow|public|t|a\n")).to.deep.equal(read("a", "b"));
    expect(parseRevisions("tables|1\n")).to.deep.equal(read());
    expect(parseRevisions("tables|2\nrow|a|v|1\nrow|b|v|2")).to.deep.equal(read("1 in a.v", "2 in b.v"));
    const beside = "tables|2\nrow|public|alembic_version|1\nrow|public|alembic_version_jobs|2";
    expect(parseRevisions(beside)).to.deep.equal(read("1"));
    const elsewhere = "tables|0\ndatabase|a|b\ntables|0\ndatabase|users\ntables|1\nrow|public|alembic_version|x\n";
    expect(parseRevisions(elsewhere)).to.deep.equal({ ...read("x"), database: "users" });
    const several = `${elsewhere}database|casa_auth\ntables|1\nrow|public|alembic_version|y\n`;
    expect(parseRevisions(several)).to.deep.equal({ ...read("y"), database: "casa_auth" });
    expect(parseRevisions(several.replace("casa_auth", "realm")))
      .to.have.property("why")
      .that.contains("(users, realm)");
    expect(parseRevisions("tables|0\ndatabase|a\ntables|0\n")).to.deep.equal({ state: "absent" });
    expect(parseRevisions("Unable to use a TTY")).to.have.property("state", "not checked");
  });

  it("without expectation: any revision passes, before and after are said", () => {
    expect(judge(read("a"))).to.deep.equal({ note: "schema revision a" });
    expect(judge(read("a"), ["a"])).to.deep.equal({ note: "schema revision a, as before" });
    expect(judge(read("b"), ["a"])).to.deep.equal({ note: "schema revision a before, b now" });
    expect(judge({ state: "absent" }).note).to.contain("which is normal");
    expect(judge({ state: "not checked", why: "no psql" })).to.deep.equal({
      note: "schema revision not checked: no psql",
    });
  });

  it("a step back is said, a table that is gone is refused unless that is meant", () => {
    expect(judge(read("a"), ["a", "b"]).note).to.contain("b before, a now; the schema went BACK");
    expect(judge({ state: "absent" }, ["a"]).problem)
      .to.contain("is gone; it was at a")
      .and.contain("compareData");
    expect(judgeRevision({ state: "absent" }, { seen: ["a"], acceptsLoss: true })).not.to.have.property("problem");
  });

  it("refused: an empty table, more heads than before; fewer heads are a merge", () => {
    expect(judge(read()).problem).to.contain("has no row");
    expect(judge(read("a", "b"), ["a"]).problem).to.contain("2 heads (a, b), it had 1 before (a)");
    expect(judge(read("a", "b"), ["c, d"]).problem).to.equal(undefined);
    expect(judge(read("e"), ["a, b"]).problem).to.equal(undefined);
    expect(judge(read("a", "b")).problem).to.equal(undefined);
  });

  it("what is expected must be there exactly, and known", () => {
    expect(judge(read("b in x.v", "a in y.v"), [], ["a", "b"]).problem).to.equal(undefined);
    expect(judge(read("b", "a"), [], ["a", "b"]).problem).to.equal(undefined);
    expect(judge(read("a"), [], ["a", "b"]).problem).to.contain("is at revision a; config migrationGate");
    expect(judge({ state: "absent" }, [], ["a"]).problem).to.contain("asks for a");
    expect(judge({ state: "not checked", why: "x" }, [], ["a"]).problem).to.contain("not checked: x; config");
  });

  it("what the next gate compares with: sets once in a row, kept where nothing was read, not endless", () => {
    expect(withSeen(["a"], read("a"))).to.deep.equal(["a"]);
    expect(withSeen(["a"], read("b"))).to.deep.equal(["a", "b"]);
    expect(withSeen(["a"], { state: "absent" })).to.deep.equal(["a"]);
    const many = Array.from({ length: 30 }, (_, i) => `r${i}`);
    expect(withSeen(many, read("z")))
      .to.have.length(20)
      .and.include("z");
  });
});

describe("how to go back", () => {
  const facts: RollbackFacts = {
    release: "casa",
    namespace: "ns",
    context: "prod eu",
    chart: "oci://x/casa-runtime",
    chartIsLocal: false,
    chartName: "casa-runtime",
    version: "2.0.0",
    versionIsSet: true,
  };
  const at = (revision: number, chartVersion: string, status: string) => ({ revision, chartVersion, status });

  it("to another version through the config", () => {
    const lines = rollbackLines(facts, [at(1, "1.0.0", "superseded"), at(2, "2.0.0", "deployed")]);
    expect(lines.slice(0, -1)).to.deep.equal([
      "How to go back to 1.0.0:",
      "  pulumi config set version 1.0.0",
      "  pulumi up",
    ]);
    const local = { ...facts, chartIsLocal: true, versionIsSet: false };
    expect(rollbackLines(local, [at(1, "1.0.0", "superseded"), at(2, "2.0.0", "deployed")])[1]).to.equal(
      "  pulumi config set chart <folder or package of casa-runtime 1.0.0>",
    );
  });

  it("after a failed revision helm rollback comes first, the context quoted", () => {
    const lines = rollbackLines(facts, [
      at(1, "0.9.0", "failed"),
      at(2, "1.0.0", "deployed"),
      at(3, "2.0.0", "failed"),
    ]);
    expect(lines[0]).to.equal("How to go back to 1.0.0:");
    expect(lines[1]).to.equal("  helm rollback casa 2 --namespace ns --kube-context 'prod eu' --wait");
  });

  it("to the values of before, and to the version before that", () => {
    const all = [at(1, "1.0.0", "superseded"), at(2, "2.0.0", "superseded"), at(3, "2.0.0", "deployed")];
    const text = rollbackLines(facts, all).join("\n");
    expect(text).to.match(/revision 2, this chart with the values of before:\n {2}helm rollback casa 2 /);
    expect(text).to.contain("How to go back to 1.0.0:\n  pulumi config set version 1.0.0");
    expect(rollbackLines(facts, [at(1, "2.0.0", "failed")])).to.deep.equal([
      "There is no earlier revision to go back to: repair the cause, then: pulumi up",
    ]);
  });
});

describe("the gate's report and error", () => {
  it("a report is read back; anything else is none", () => {
    const report = { podsReady: ["a"], revision: null, revisionNote: "n", probe: "p", seen: [] };
    expect(parseReport(JSON.stringify(report))).to.deep.equal(report);
    expect(parseReport("kubectl says hello")).to.equal(undefined);
    expect(parseReport(JSON.stringify({ ...report, seen: 1 }))).to.equal(undefined);
  });

  it("the error has the problem first, then evidence, then the way back", () => {
    const deployment = { kind: "Deployment", namespace: "ns", name: "auth" };
    const text = failureText({ deployment }, "1 of 2 replicas updated", 5, "  pod x", ["How to go back"]);
    expect(text.split("\n")).to.deep.equal([
      "the migration gate is not passed: 1 of 2 replicas updated (waited 5 s)",
      "The auth service is Deployment ns/auth. No MAS workload was restarted; the next pulumi up looks again.",
      "  pod x",
      "How to go back",
    ]);
  });

  it("permissions: what the config asks for must be there, the rest may be missing", () => {
    const rollback = { release: "", namespace: "", context: "", chart: "", chartIsLocal: false, chartName: "" };
    const base = {
      deployment: { kind: "Deployment", namespace: "ns", name: "auth" },
      jobs: [],
      checkLogs: true,
      timeoutSeconds: 1,
      rollback: { ...rollback, version: "", versionIsSet: false },
      known: [],
    };
    const database = { kind: "Deployment", namespace: "ns", name: "db", container: "postgres" };
    const must = (needs: ReturnType<typeof gateNeeds>) =>
      needs.map(
        ({ permissions, must: is }) =>
          `${permissions.map(({ verb }) => verb).join()} ${permissions[0]?.subresource} ${is}`,
      );
    expect(must(gateNeeds(base))).to.deep.equal(["get log false"]);
    expect(must(gateNeeds({ ...base, database }))).to.include("get,create exec false");
    expect(must(gateNeeds({ ...base, database, expected: ["a"], probe: { path: "/", port: 1 } }))).to.deep.equal([
      "get log false",
      "get,create exec true",
      "get,create portforward true",
    ]);
  });
});
