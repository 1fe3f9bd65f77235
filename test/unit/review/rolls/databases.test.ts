import { expect } from "chai";
import type { KubeObject } from "../../../../kubernetes/objects";
import { replacedWorkloads } from "../../../../review/rolls/rolls";
import { type DatabaseFacts, databaseFindings } from "../../../../review/rolls/databases";
import type { RunningServer } from "../../../../components/database-backup/cluster/running-servers";
import { mounting, pair, plan, workload } from "./rolls-world";

const DATA = "/var/lib/postgresql/data";
const ID = "Deployment/casa/web";

/** A PostgreSQL server as charts make it. */
interface Made {
  image?: string;
  env?: Record<string, string>;
  mounts?: { name: string; mountPath: string; subPath?: string }[];
  volumes?: object[];
  annotation?: string;
  kind?: string;
  name?: string;
  replicas?: number;
  templates?: string[];
}

function server({
  image = "postgres:15.8",
  env = {},
  annotation = "",
  kind = "Deployment",
  ...more
}: Made): KubeObject {
  const mounts = more.mounts ?? [{ name: "data", mountPath: DATA }];
  const made = workload(kind, {
    ...(more.replicas === undefined ? {} : { replicas: more.replicas }),
    container: {
      image,
      env: Object.entries(env).map(([name, value]) => ({ name, value })),
      volumeMounts: mounts,
    },
    pod: { volumes: more.volumes ?? [{ name: "data", emptyDir: {} }] },
    metadata: { annotations: { annotation } },
    spec: more.templates ? { volumeClaimTemplates: more.templates.map((name) => ({ metadata: { name } })) } : {},
  });
  return { ...made, metadata: { ...made.metadata, name: more.name ?? "web" } };
}

const onClaim = (claim = "a"): Made => mounting(claim);

function found(before: Made | undefined, after: Made | undefined, running: Partial<RunningServer> = {}) {
  return findings([[before, after]], running);
}

function findings(pairs: [Made | undefined, Made | undefined][], running: Partial<RunningServer> = {}) {
  const all = pairs.map(([before, after]) => pair(before && server(before), after && server(after)));
  const facts: DatabaseFacts = {
    namespace: "casa",
    replaced: replacedWorkloads(plan(all).rolls),
    running: new Map([[ID, { name: "auth", ...running }]]),
  };
  return databaseFindings(all, facts);
}

const problems = (...args: Parameters<typeof found>) => found(...args).map(({ problem }) => problem);

describe("the data of database servers", () => {
  it("on emptyDir is lost when the pod is replaced, and the way is named", () => {
    const [one, ...others] = found({}, { image: "postgres:15.9" });
    expect(others).to.deep.equal([]);
    expect(one?.problem).to.equal("lost");
    expect(one?.text).to.contain(ID).and.to.contain("emptyDir volume data").and.to.contain("the database is lost");
    expect(one?.fix).to.contain("npx casa-upgrade restore --database auth --yes");
  });

  it("on emptyDir stays when the pod does, and is lost when it is scaled down", () => {
    expect(problems({}, {})).to.deep.equal([]);
    expect(problems({ replicas: 1 }, { replicas: 2 })).to.deep.equal([]);
    expect(problems({ replicas: 1 }, { replicas: 0 })).to.deep.equal(["lost"]);
    expect(problems({ replicas: 0 }, { replicas: 0, image: "postgres:15.9" })).to.deep.equal([]);
  });

  it("without a volume, in a generic ephemeral one or in one that names nothing is lost, too", () => {
    const shapes: Made[] = [
      { mounts: [], volumes: [] },
      { mounts: [{ name: "data", mountPath: "/data" }], ...onClaim() },
      { volumes: [{ name: "data", ephemeral: { volumeClaimTemplate: {} } }] },
      { volumes: [{ name: "data" }] },
    ];
    for (const shape of shapes) {
      expect(problems(shape, { ...shape, annotation: "new" }), JSON.stringify(shape)).to.deep.equal(["lost"]);
    }
  });

  it("in a volume that the container runtime lays over the claim, for the image, is lost", () => {
    const tooHigh: Made = { ...onClaim(), mounts: [{ name: "data", mountPath: "/var/lib/postgresql" }] };
    const next = { ...tooHigh, image: "postgres:15.9" };
    const [one] = found(tooHigh, next, { dataDirectory: DATA, mountPoint: DATA });
    expect(one?.problem).to.equal("lost");
    expect(one?.text).to.contain(`the image's own volume ${DATA}, which lies over the mount at /var/lib/postgresql`);
    expect(one?.fix).to.contain(`mount it at ${DATA}`);
    // Neither the user nor the image has to tell the directory.
    expect(problems(tooHigh, next, { mountPoint: DATA })).to.deep.equal(["lost"]);
    // The way out: the data is lost all the same, unless somebody moves it.
    const mended = { ...next, mounts: [{ name: "data", mountPath: DATA }] };
    expect(problems(tooHigh, mended, { mountPoint: DATA })).to.deep.equal(["moved"]);
  });

  it("in the claim itself is kept, where the runtime makes no such volume or the server is on the host's root", () => {
    const tooHigh: Made = { ...onClaim(), mounts: [{ name: "data", mountPath: "/var/lib/postgresql" }] };
    for (const mountPoint of ["/var/lib/postgresql", "/", "/var/lib/postgresql/data/wal"]) {
      expect(problems(tooHigh, { ...tooHigh, image: "postgres:15.9" }, { mountPoint }), mountPoint).to.deep.equal([]);
    }
    expect(problems(onClaim(), { ...onClaim(), image: "postgres:15.9" }, { mountPoint: DATA })).to.deep.equal([]);
  });

  it("of a replica is a copy, which is made anew; of a primary it is not", () => {
    const mode = (value: string): Made => ({ env: { POSTGRESQL_REPLICATION_MODE: value } });
    const replica: Made = { ...mode("slave"), image: "bitnami/postgresql:15.8.0" };
    expect(problems(replica, { ...replica, image: "bitnami/postgresql:15.9.0" })).to.deep.equal([]);
    expect(problems(replica, { ...replica, replicas: 0 })).to.deep.equal([]);
    expect(problems(replica, undefined)).to.deep.equal([]);
    expect(problems(replica, { ...replica, ...mode("master") })).to.deep.equal(["lost"]);
    const primary: Made = { ...replica, ...mode("master") };
    expect(problems(primary, { ...primary, image: "bitnami/postgresql:15.9.0" })).to.deep.equal(["lost"]);
    // A volume that it keeps has to fit.
    const kept = { ...onClaim(), ...mode("slave") };
    expect(problems(kept, { ...kept, image: "postgres:17.2" })).to.deep.equal(["major"]);
  });

  it("on a claim is kept", () => {
    expect(problems(onClaim(), { ...onClaim(), image: "postgres:15.9" })).to.deep.equal([]);
    const set: Made = { kind: "StatefulSet", volumes: [], templates: ["data"] };
    expect(problems(set, { ...set, image: "postgres:15.9" })).to.deep.equal([]);
    const host: Made = { volumes: [{ name: "data", hostPath: { path: "/srv/db" } }] };
    expect(problems(host, { ...host, image: "postgres:15.9" })).to.deep.equal([]);
  });

  it("is elsewhere afterwards: claim, volume kind, path, PGDATA, subPath, flag, the image's own folder", () => {
    const before: Made = { ...onClaim(), env: { PGDATA: `${DATA}/pgdata` } };
    const others: [why: string, before: Made, after: Made][] = [
      ["another claim", before, { ...before, ...onClaim("b") }],
      ["no claim", before, { ...before, volumes: [{ name: "data", emptyDir: {} }] }],
      ["a claim at last", {}, onClaim()],
      ["another path", onClaim(), { ...onClaim(), mounts: [{ name: "data", mountPath: "/bitnami" }] }],
      ["another PGDATA", before, { ...before, env: { PGDATA: `${DATA}/db` } }],
      ["no PGDATA", before, { ...before, env: {} }],
      ["another subPath", before, { ...before, mounts: [{ name: "data", mountPath: DATA, subPath: "b" }] }],
      ["another image", onClaim(), { ...onClaim(), image: "bitnami/postgresql:15.8.0" }],
    ];
    for (const [why, from, to] of others) expect(problems(from, to), why).to.deep.equal(["moved"]);
    const [moved] = found(before, { ...before, ...onClaim("b") });
    expect(moved?.text).to.contain("claim a (pgdata)").and.to.contain("claim b (pgdata)").and.to.contain("empty");
  });

  it("is the same by another way: the path moves with PGDATA, a variable, a registry's mirror", () => {
    const before: Made = { ...onClaim(), env: { PGDATA: `${DATA}/pgdata` } };
    const same: Made[] = [
      { ...onClaim(), mounts: [{ name: "data", mountPath: "/pg" }], env: { PGDATA: "/pg/pgdata" } },
      { ...onClaim(), env: { ROOT: DATA, PGDATA: "$(ROOT)/pgdata/" } },
      {
        ...before,
        volumes: [{ name: "d2", persistentVolumeClaim: { claimName: "a" } }],
        mounts: [{ name: "d2", mountPath: DATA }],
      },
    ];
    for (const after of same) expect(problems(before, after), JSON.stringify(after)).to.deep.equal([]);
    expect(problems(onClaim(), { ...onClaim(), image: "mirror.example/hub/postgres:15.8" })).to.deep.equal([]);
  });

  it("is where the running server says, for an image that nobody knows", () => {
    const own: Made = {
      ...onClaim(),
      image: "r.example/casa-postgres:15.1",
      mounts: [{ name: "data", mountPath: "/db" }],
    };
    expect(problems(own, { ...own, image: "r.example/casa-postgres:15.2" })).to.deep.equal([]);
    expect(problems(own, { ...own, image: "r.example/casa-postgres:15.2" }, { dataDirectory: "/db/x" })).to.deep.equal(
      [],
    );
    // What a server says that no volume explains is not believed.
    expect(problems(own, { ...own, image: "r.example/casa-postgres:15.2" }, { dataDirectory: "/tmp/x" })).to.deep.equal(
      [],
    );
  });

  it("of another major is not read: by the running server, else by the old tag", () => {
    const to = (image: string): Made => ({ ...onClaim(), image });
    const [major] = found(onClaim(), to("postgres:17.2"), { version: "15.4" });
    expect(major?.problem).to.equal("major");
    expect(major?.text)
      .to.contain("PostgreSQL 15.4")
      .and.to.contain("PostgreSQL 17 (postgres:17.2)")
      .and.to.contain("claim a");
    expect(problems(onClaim(), to("postgres:17.2"))).to.deep.equal(["major"]);
    expect(problems(to("postgres:17.2"), to("postgres:15.4"))).to.deep.equal(["major"]);
    expect(problems(to("postgis/postgis:15-3.4"), to("postgis/postgis:16-3.4"))).to.deep.equal(["major"]);
    // The tag that runs lied: what counts is what wrote the data.
    expect(problems(to("postgres:latest"), to("postgres:17.2"), { version: "15.4" })).to.deep.equal(["major"]);
    expect(problems(to("postgres:latest"), to("postgres:15.9"), { version: "15.4" })).to.deep.equal([]);
    expect(problems(onClaim(), to("pgautoupgrade/pgautoupgrade:17-alpine"), { version: "15.4" })).to.deep.equal([]);
    // It goes up, and not back.
    const auto = { ...onClaim(), image: "pgautoupgrade/pgautoupgrade:17-alpine" };
    const back = { ...onClaim(), image: "pgautoupgrade/pgautoupgrade:16-alpine" };
    expect(problems(auto, back, { version: "17.4" })).to.deep.equal(["major"]);
    const red = (major: number, env = {}): Made => {
      const mounts = [{ name: "data", mountPath: "/var/lib/pgsql/data" }];
      return { ...onClaim(), mounts, env, image: `quay.io/sclorg/postgresql-${major}-c9s:latest` };
    };
    expect(problems(red(15), red(16), { version: "15.4" })).to.deep.equal(["major"]);
    expect(problems(red(15), red(16, { POSTGRESQL_UPGRADE: "copy" }), { version: "15.4" })).to.deep.equal([]);
    expect(problems(red(16), red(15, { POSTGRESQL_UPGRADE: "copy" }), { version: "16.4" })).to.deep.equal(["major"]);
    // Citus counts by itself.
    const citus = (tag: string): Made => ({ ...onClaim(), image: `citusdata/citus:${tag}` });
    expect(problems(citus("12.1"), citus("13.0"), { version: "16.2" })).to.deep.equal(["major-unknown"]);
  });

  it("of which the new image does not say its major is named, unless it is the very same image", () => {
    const to = (image: string, more: Made = {}): Made => ({ ...onClaim(), ...more, image });
    const digest = "postgres@sha256:abc";
    expect(problems(onClaim(), to(digest), { version: "15.4" })).to.deep.equal(["major-unknown"]);
    expect(
      problems(to("postgres:latest"), to("postgres:latest", { annotation: "new" }), { version: "15.4" }),
    ).to.deep.equal(["major-unknown"]);
    expect(problems(to(digest), to(digest, { annotation: "new" }), { version: "15.4" })).to.deep.equal([]);
    expect(problems(onClaim(), to("postgres:15.9@sha256:abc"), { version: "15.4" })).to.deep.equal([]);
    // A tag that stays and does not move is the same server, whatever it says.
    for (const image of ["corp/postgres:2024.1", "ankane/pgvector:v0.5.1"]) {
      expect(problems(to(image), to(image, { annotation: "new" }), { version: "15.4" }), image).to.deep.equal([]);
    }
    const [unknown] = found(onClaim(), to(digest), { version: "15.4" });
    expect(unknown?.fix).to.contain("postgres:15@sha256:abc");
    // Tags of one's own that say something else of the running server say nothing of the new one.
    const own = (tag: string) => to(`r.example/casa-postgres:${tag}`);
    expect(problems(own("12.1"), own("12.2"), { version: "15.4" })).to.deep.equal(["major-unknown"]);
  });

  it("goes with a server that disappears, unless another one takes its claim", () => {
    expect(problems(onClaim(), undefined)).to.deep.equal(["gone"]);
    const set: Made = { kind: "StatefulSet", name: "pg", volumes: [], templates: ["data"] };
    const renamed = findings([
      [onClaim(), undefined],
      [undefined, set],
    ]);
    expect(renamed.map(({ problem }) => problem)).to.deep.equal(["gone"]);
    expect(renamed[0]?.text).to.contain("StatefulSet/casa/pg is new and begins with an empty database");
    const heir: Made = { ...onClaim("a"), name: "pg" };
    expect(
      findings([
        [onClaim(), undefined],
        [undefined, heir],
      ]),
    ).to.deep.equal([]);
    const major = findings([
      [onClaim(), undefined],
      [undefined, { ...heir, image: "postgres:17.2" }],
    ]);
    expect(major.map(({ problem, workload: id }) => [problem, id])).to.deep.equal([["major", "Deployment/casa/pg"]]);
    // A claim template's claim is the first pod's.
    const byTemplate: Made = { ...set, name: "pg" };
    expect(
      findings([
        [onClaim("data-pg-0"), undefined],
        [undefined, byTemplate],
      ]),
    ).to.deep.equal([]);
    // On emptyDir nobody takes over anything.
    expect(
      findings([
        [{}, undefined],
        [undefined, { name: "pg" }],
      ]).map(({ problem }) => problem),
    ).to.deep.equal(["gone"]);
  });

  it("of what is no server is nobody's business", () => {
    const web: Made = { image: "r.example/web:1" };
    expect(problems(web, { ...web, annotation: "new" })).to.deep.equal([]);
    expect(problems({ image: "prom/postgres-exporter:1" }, undefined)).to.deep.equal([]);
  });
});
