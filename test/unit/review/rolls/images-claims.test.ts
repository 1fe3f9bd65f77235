import { expect } from "chai";
import type { KubeObject } from "../../../../kubernetes/objects";
import { deletedClaims } from "../../../../review/rolls/claims";
import { imageFindings, imageProblem } from "../../../../review/rolls/images";
import { claim, mounting, object, pair, workload } from "./rolls-world";

describe("imageFindings", () => {
  const moving = [
    "x:latest",
    "x:stable",
    "r.example:5000/x:main",
    "x:nightly-slim",
    "postgres:15",
    "x:v1",
    "x:15-alpine3.19",
    "x:1.2.3-SNAPSHOT",
    "x:lts-jdk17",
    "postgres:alpine",
    "postgres:alpine3.20",
    "postgres:bookworm",
    "pgvector/pgvector:pg17",
    "pgvector/pgvector:pg17-trixie",
    "x:edge",
    "x:jammy-slim",
  ];
  const fixed = [
    "postgres:15.8",
    "x:1.2.3",
    "x:v1.2.3-rc.1",
    "x:1.27.0-alpine",
    "x:main-4f3a2b1c",
    "x:20240131",
    "postgres:17.5-alpine",
    "postgres:17.5-alpine3.22",
    "postgis/postgis:17-3.5",
    "pgvector/pgvector:0.8.0-pg17",
    "timescale/timescaledb-ha:pg17.4-ts2.19.0",
    "timescale/timescaledb-ha:pg17-ts2.19",
    "ubuntu:24.04",
    "alpine:3.20",
    "rhel9/postgresql-15:1-66",
    "x:pr-12",
    "x:r5",
    "x:latest@sha256:abc",
    "r.example:5000/x@sha256:abc",
  ];
  for (const image of moving) it(`${image} moves`, () => expect(imageProblem(image)).to.equal("moving-tag"));
  for (const image of fixed) it(`${image} does not`, () => expect(imageProblem(image)).to.equal(undefined));

  it("no tag means latest, a registry's port is no tag", () => {
    expect(imageProblem("busybox")).to.equal("no-tag");
    expect(imageProblem("r.example:5000/busybox")).to.equal("no-tag");
  });

  it("names workload and container, with the pull policy, and whether it rolls", () => {
    const template = (image: string, more: object = {}) => ({
      template: { spec: { containers: [{ name: "c", image, ...more }] } },
    });
    const objects = [
      workload("Deployment", {
        container: { image: "x:latest" },
        pod: { initContainers: [{ name: "i", image: "y" }] },
      }),
      object("CronJob", "tidy", { spec: { jobTemplate: { spec: template("z:edge") } } }, "batch/v1"),
      object("Job", "once", { spec: template("z:2", { imagePullPolicy: "Never" }) }, "batch/v1"),
      object("ConfigMap", "none"),
    ];
    const found = imageFindings(objects, new Set(["Deployment/casa/web"]), "casa");
    const [web, moves] = ["Deployment/casa/web", "moving-tag"];
    expect(found).to.deep.equal([
      { workload: web, container: "i", image: "y", problem: "no-tag", rolls: true, pullPolicy: "Always" },
      { workload: web, container: "main", image: "x:latest", problem: moves, rolls: true, pullPolicy: "Always" },
      {
        workload: "CronJob/casa/tidy",
        container: "c",
        image: "z:edge",
        problem: moves,
        rolls: false,
        pullPolicy: "IfNotPresent",
      },
      { workload: "Job/casa/once", container: "c", image: "z:2", problem: moves, rolls: false, pullPolicy: "Never" },
    ]);
  });
});

describe("deletedClaims", () => {
  const volume = (name: string, policy: string) =>
    object("PersistentVolume", name, { spec: { persistentVolumeReclaimPolicy: policy } });
  const data = claim("data", ["ReadWriteOnce"], { volumeName: "pv-1", resources: { requests: { storage: "8Gi" } } });
  const facts = { namespace: "casa", predicted: [], claims: [], volumes: [volume("pv-1", "Delete")] };

  it("a claim that the chart drops, and what its volume does", () => {
    const [lost] = deletedClaims([pair(data, undefined)], facts);
    expect(lost).to.include({ namespace: "casa", name: "data", size: "8Gi", reclaimPolicy: "Delete" });
    expect(lost?.why).to.contain("helm deletes it").and.contain("the data is lost");
    const why = (volumes: KubeObject[]) => deletedClaims([pair(data, undefined)], { ...facts, volumes })[0]?.why;
    expect(why([volume("pv-1", "Retain")])).to.contain("stays with its data");
    expect(why([])).to.contain("could not be read");
  });

  it("a claim without a volume has no data; kept, changed and created ones are not deleted", () => {
    const unbound = deletedClaims([pair(claim("data", ["ReadWriteOnce"]), undefined)], facts);
    expect(unbound[0]?.why).to.contain("no data goes with it");
    expect(unbound[0]).not.to.have.property("reclaimPolicy");
    expect(unbound[0]).to.include({ empty: true });
    expect(deletedClaims([pair(data, undefined)], facts)[0]).not.to.have.property("empty");
    const going = { ...data, metadata: { ...data.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" } };
    expect(deletedClaims([pair(going, undefined)], facts)[0]?.why).to.contain("somebody deleted it at 2026-01-01");
    const kept = { ...data, metadata: { ...data.metadata, annotations: { "helm.sh/resource-policy": "keep" } } };
    expect(deletedClaims([pair(kept, undefined), pair(data, data), pair(undefined, data)], facts)).to.deep.equal([]);
  });

  it("says who mounts it, and when it goes then", () => {
    const user = workload("Deployment", { pod: mounting("data") });
    const still = deletedClaims([pair(data, undefined)], { ...facts, predicted: [user] });
    expect(still[0]?.why).to.contain("Deployment/casa/web still mounts it");
    const gone = deletedClaims([pair(data, undefined), pair(user, workload("Deployment"))], {
      ...facts,
      predicted: [workload("Deployment")],
    });
    expect(gone[0]?.why).to.contain("as soon as the old pods of Deployment/casa/web are gone");
  });

  it("claims of a StatefulSet that is deleted or scaled down, by its retention policy", () => {
    const set = (replicas: number, policy: object) =>
      workload("StatefulSet", {
        replicas,
        spec: { volumeClaimTemplates: [{ metadata: { name: "d" } }], persistentVolumeClaimRetentionPolicy: policy },
      });
    const claims = ["d-web-0", "d-web-1", "d-web-2", "d-other-1"].map((name) => claim(name, ["ReadWriteOnce"]));
    const names = (before: KubeObject, after?: KubeObject) =>
      deletedClaims([pair(before, after)], { ...facts, claims }).map(({ name }) => name);
    const scaling = { whenScaled: "Delete", whenDeleted: "Retain" };
    expect(names(set(3, scaling), set(1, scaling))).to.deep.equal(["d-web-1", "d-web-2"]);
    expect(names(set(3, scaling), set(3, scaling))).to.deep.equal([]);
    expect(names(set(3, scaling))).to.deep.equal([]);
    expect(names(set(3, { whenDeleted: "Delete" }))).to.deep.equal(["d-web-0", "d-web-1", "d-web-2"]);
    expect(names(set(3, {}), set(1, {}))).to.deep.equal([]);
  });
});
