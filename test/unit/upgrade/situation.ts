import { stringify } from "yaml";
import { prepareConfig } from "../../../config/config-load";
import { pendingGroups } from "../../../components/workload-restarts/restarts";
import { NO_INJECTION_FACTS } from "../../../components/workload-restarts/injection-facts";
import { configStamp } from "../../../components/workload-restarts/stamp";
import type { LoadedChart } from "../../../helm/chart";
import { findUnstable } from "../../../helm/unstable";
import type { ReleaseState, Revision } from "../../../helm/release";
import type { LiveCrd } from "../../../kubernetes/crds";
import type { KubeObject } from "../../../kubernetes/objects";
import type { LiveWorkload } from "../../../kubernetes/workloads";
import { shortDigest } from "../../../shared/digest";
import type { UserError } from "../../../shared/user-error";
import { decide } from "../../../upgrade/decide";
import type { Snapshot } from "../../../upgrade/snapshot";

/**
 * What a situation is made of; the rest is an upgrade of the release `casa` from 0.1.0, installed by hand, to 0.2.0.
 */
export interface Situation {
  config?: Record<string, unknown>;
  chart?: Partial<LoadedChart>;
  /** Newest last; an empty list: not installed. Default: one revision, 0.1.0, installed by hand. */
  revisions?: Revision[];
  liveCrds?: LiveCrd[];
  crdResources?: string[];
  migrationEntries?: Snapshot["migrationEntries"];
  records?: Partial<Snapshot["records"]>;
  systems?: Snapshot["systems"];
  policies?: Snapshot["policies"];
  workloads?: LiveWorkload[];
  unlisted?: Snapshot["unlisted"];
  otherWorkloads?: Snapshot["otherWorkloads"];
  injection?: Partial<Snapshot["injection"]>;
  surroundings?: Snapshot["surroundings"];
  earlierGate?: Snapshot["earlierGate"];
}

export const NAMESPACE = "casa-runtime";
const RULES = { namespace: NAMESPACE, sidecarDeployment: "casa-sidecar", inputs: [] };

/** The objects of one version of a chart; `filter` is what is injected into MAS pods. */
export function objectsOf(version: string, filter = version, more: KubeObject[] = []): KubeObject[] {
  const deployment = (name: string, image: string): KubeObject => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, labels: { chart: `casa-runtime-${version}` } },
    spec: { template: { spec: { containers: [{ name: "c", image }] } } },
  });
  return [
    { apiVersion: "networking.istio.io/v1alpha3", kind: "EnvoyFilter", metadata: { name: "ext" }, spec: { filter } },
    deployment("casa-sidecar", "sidecar:1"),
    deployment("casa-auth-service", `auth:${version}`),
    ...more,
  ];
}

export function chartOf(version: string, objects = objectsOf(version), more: Partial<LoadedChart> = {}): LoadedChart {
  const unstable = more.unstable ?? findUnstable(objects, objects, NAMESPACE);
  const uses = { mentioned: [], open: [], passed: [], words: new Set<string>(), wholeFields: new Set<string>() };
  return {
    ...{ name: "casa-runtime", version, deprecated: false, crds: [], strayCrdFiles: [], hooks: [] },
    ...{
      objects,
      rendered: objects,
      unstable: findUnstable(objects, objects, NAMESPACE),
      fixed: { objects, unstable },
      digest: shortDigest(objects),
    },
    contents: {
      name: "casa-runtime",
      version,
      annotations: {},
      dependencies: [],
      values: {},
      defaults: {},
      uses,
      notes: [],
    },
    ...more,
  };
}

/** A revision as helm has it. */
export function revision(
  number: number,
  version: string,
  more: Partial<Revision> & { objects?: KubeObject[] } = {},
): Revision {
  const { objects = objectsOf(version), ...rest } = more;
  return {
    ...{ revision: number, status: "deployed", chartName: "casa-runtime", chartVersion: version, appVersion: version },
    ...{ description: number === 1 ? "Install complete" : "Upgrade complete", deployedAt: "2026-11-26T10:00:00Z" },
    ...{ config: {}, defaults: {}, recordKey: Buffer.from("key"), crdFiles: [], hooks: [] },
    manifest: objects.map((object) => `---\n${stringify(object)}`).join(""),
    ...rest,
  };
}

/** The description that this program gives a revision of the chart with these objects. */
export function ours(version: string, objects = objectsOf(version)): string {
  return `casa-upgrade ${version} rendered ${shortDigest(objects)}`;
}

export function stampOf(version: string, objects = objectsOf(version)): string {
  return configStamp(objects, findUnstable(objects, objects, NAMESPACE), RULES);
}

/** A Deployment `mas/NAME` that a MultiAgentSystem names, rolled out. */
export function workload(name: string, more: Partial<LiveWorkload> & { stamp?: string } = {}): LiveWorkload {
  const { stamp, ...rest } = more;
  return {
    ...{ kind: "Deployment", namespace: "mas", name, replicas: 1, paused: false, updateStrategy: "RollingUpdate" },
    ...{ rolledOut: true, updated: 1, ready: 1, available: 1, old: 0, generation: 1, observedGeneration: 1 },
    ...{
      podLabels: {},
      annotations: {},
      template: {},
      claimTemplates: [],
      podSelector: `app=${name}`,
      managedFields: [],
    },
    podAnnotations: stamp === undefined ? {} : { "casa-upgrade.dev/config-stamp": stamp },
    strategy: { type: "RollingUpdate", surge: 1, unavailable: 0, partition: 0, minReadySeconds: 0, paused: false },
    ...rest,
  };
}

export function system(...workloads: string[]): Snapshot["systems"][number] {
  return { namespace: "mas", name: "one", workloads };
}

const KIND = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };

/** A CRD of the chart; each version serves any object that has a `spec`. */
export function crd(plural: string, versions: string[] = ["v1"], stored = versions.at(-1)): KubeObject {
  return {
    ...KIND,
    metadata: { name: `${plural}.casa.io` },
    spec: {
      ...{ group: "casa.io", scope: "Namespaced", names: { plural, kind: plural } },
      versions: versions.map((name) => ({ name, served: true, storage: name === stored, schema: SCHEMA })),
    },
  };
}

/** The same CRD with a schema of some 100,000 characters. */
export function large(object: KubeObject): KubeObject {
  const description = "what it is for, ".repeat(7000);
  const spec = object["spec"] as { versions: { schema: { openAPIV3Schema: object } }[] };
  const versions = spec.versions.map((version) => ({
    ...version,
    schema: { openAPIV3Schema: { ...version.schema.openAPIV3Schema, description } },
  }));
  return { ...object, spec: { ...spec, versions } };
}

const SCHEMA = {
  openAPIV3Schema: {
    type: "object",
    properties: { spec: { type: "object", properties: { old: { type: "string" } } } },
  },
};

export function crdFile(object: KubeObject): { name: string; data: string } {
  return { name: "crds/crds.yaml", data: stringify(object) };
}

/** The same CRD as it is on the cluster. */
export function live(object: KubeObject, more: Partial<LiveCrd> = {}): LiveCrd {
  const spec = object["spec"] as { versions: { name: string; served: boolean; storage: boolean }[] };
  const versions = spec.versions.map(({ name, served, storage }) => ({ name, served, storage }));
  return {
    ...{ name: object.metadata.name ?? "", labels: {}, annotations: {}, terminating: false },
    storedVersions: versions.filter(({ storage }) => storage).map(({ name }) => name),
    conditions: [{ type: "Established", status: "True" }],
    ...{ versions, object },
    ...more,
  };
}

/** What was decided, in a form that a row of a table holds. */
export interface Outcome {
  /** Chart version before and after. */
  versions: string;
  /** `kept`, `new`, or `new, after revision N`. */
  revision: string;
  /** Names of the workloads to restart, group by group. */
  restart: string;
  /** Names of those that get a marker beside the stamp. */
  again: string;
  /** Names of those that an earlier run restarted. */
  done: string;
  /** `code name`. */
  skipped: string;
  /** Names of those whose pods stay behind. */
  stale: string;
  /**
   * `adopt NAME` or `create NAME`, `write NAME` for large ones, `keep NAME` for those that stay behind, `migrate NAME
   * from to`.
   */
  crds: string;
  /** Name of the gate's Deployment, `none` or `off`, and whether it counts as passed. */
  gate: string;
  /** What unstamped workloads run under, as the record says before the chart changes: a chart version, `none`. */
  record: string;
  onlyRestarts: boolean;
  /** Of an expected outcome: a part of each. */
  warnings: string[];
  /** Code of the error when it is refused; everything else is left out then. */
  refused: string;
}

/** Decides a situation. */
export function outcomeOf(situation: Situation): Partial<Outcome> {
  try {
    return decided(situation);
  } catch (error) {
    if (typeof (error as UserError).code !== "string") throw error;
    return { refused: (error as UserError).code };
  }
}

/** The error of a situation that is refused. */
export function refusalOf(situation: Situation): UserError {
  try {
    decided(situation);
  } catch (error) {
    return error as UserError;
  }
  throw new Error("it is not refused");
}

function decided(situation: Situation): Partial<Outcome> {
  const config = {
    context: "prod",
    chart: "oci://registry.example.com/casa-runtime",
    version: "0.2.0",
    ...situation.config,
  };
  const texts = Object.entries(config).map(([key, value]) => [
    `casa-upgrade:${key}`,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  const loaded = prepareConfig("casa-upgrade", Object.fromEntries(texts) as Record<string, string>, []);
  const decisions = decide(loaded, snapshotOf(situation));
  const { versions, restarts, crds, gate, gatePassed, recordBefore, onlyRestarts, warnings } = decisions;
  const names = (list: readonly { name: string }[]) => list.map(({ name }) => name).join(" ");
  const short = (id: string) => id.split("/").at(-1) ?? "";
  const after = /, (after revision \d+)$/.exec(decisions.description)?.[1];
  return {
    versions: `${versions.before ?? "-"} -> ${versions.after}`,
    revision: decisions.newRevision ? ["new", after].filter(Boolean).join(", ") : "kept",
    restart: pendingGroups(restarts).map(names).join(" | "),
    again: names(restarts.groups.flatMap(({ targets }) => targets.filter(({ again }) => again !== undefined))),
    done: names(restarts.groups.flatMap(({ targets }) => targets.filter(({ done }) => done))),
    skipped: restarts.skipped.map(({ workload: id, why }) => `${why.code} ${short(id)}`).join(", "),
    stale: restarts.stale.map(short).join(" "),
    crds: [
      ...crds.planned.map(
        ({ name, exists, byCommand }) => `${byCommand ? "write" : exists ? "adopt" : "create"} ${name}`,
      ),
      ...crds.dropped.map((name) => `keep ${name}`),
      ...crds.migrations.map(({ crd: name, from, to }) => `migrate ${name} ${from.join(",")} ${to}`),
    ].join(", "),
    gate: [gate.gate ? (gate.gate.settings?.deployment.name ?? "none") : "off", gatePassed ? "passed" : ""]
      .filter(Boolean)
      .join(", "),
    record: [...KNOWN_STAMPS].find(([, stamp]) => stamp === recordBefore.stamp)?.[0] ?? recordBefore.stamp,
    onlyRestarts,
    warnings: [...warnings],
  };
}

const KNOWN_STAMPS = new Map(["0.1.0", "0.2.0", "0.3.0"].map((version) => [version, stampOf(version)]));

function snapshotOf(situation: Situation): Snapshot {
  const {
    revisions = [revision(1, "0.1.0")],
    records = {},
    liveCrds = [],
    crdResources = [],
    injection = {},
    ...rest
  } = situation;
  const latest = revisions.at(-1);
  const installed: ReleaseState | undefined = latest && { name: "casa", namespace: NAMESPACE, revisions, latest };
  return {
    stack: "production",
    cluster: { context: "prod", id: "uid", version: "v1.34.4" },
    ...{
      installed,
      migrationEntries: [],
      systems: [],
      policies: [],
      workloads: [],
      unlisted: [],
      otherWorkloads: [],
      surroundings: [],
      ...rest,
    },
    injection: { ...NO_INJECTION_FACTS, ...injection },
    chart: { ...chartOf("0.2.0"), ...situation.chart },
    liveCrds: new Map(liveCrds.map((one) => [one.name, one])),
    crdResources: new Set(crdResources),
    records: {
      ...records,
      exists: { before: records.before !== undefined, after: records.after !== undefined, ...records.exists },
    },
  };
}
