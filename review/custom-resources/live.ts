import { UserError } from "../../shared/user-error";
import { storedVersions } from "../../crds/compat/extra-rules";
import type { CrMigration } from "../../components/custom-resource-migration/plan";
import type { Crd } from "../../crds/crds";
import type { CustomResourceChecker } from "../../crds/objects/checker";
import { checkerOf } from "../../crds/objects/crd-checker";
import { kubeObject } from "../../kubernetes/objects";
import { ApiError, isExpired } from "../../kubernetes/api";
import type { ClusterClient } from "../../kubernetes/connect";
import { Collector, type CustomResourcesReview } from "./findings";

import { ATTEMPTS, visitAll } from "../../kubernetes/visit-all";

/**
 * Checks every custom resource against the CRD that is about to be applied, page by page: only what is found is kept.
 *
 * What is read has been pruned by the present schema already, so whatever is pruned here is lost by the new one.
 *
 * @param live the CRD on the cluster; undefined: there is none, and so no object.
 * @param migration what is done to the objects first.
 * @throws UserError when the objects may not be listed, or not in time.
 */
export async function reviewCustomResources(
  client: ClusterClient,
  next: Crd,
  live: Crd | undefined,
  migration?: CrMigration,
): Promise<CustomResourcesReview> {
  if (live === undefined) return nothing([]);
  const version = migration?.readIn ?? readableVersion(live, next);
  if (version === undefined) return nothing(["the live CRD serves no version, so its objects cannot be read"]);
  const { checkers, unchecked } = checkersFor(version, next, live, migration);
  const type = { apiVersion: `${live.spec.group}/${version}`, kind: live.spec.names.kind };
  let collected = new Collector(unchecked, migration);
  try {
    await visitAll(
      client,
      type,
      (object) => collected.add(kubeObject.parse(object), checkers),
      () => (collected = new Collector(unchecked, migration)),
    );
    return collected.findings();
  } catch (error) {
    throw listProblem(error, next.metadata.name);
  }
}

/** The version to read objects in: one that both CRDs have, the stored one first. */
function readableVersion(live: Crd, next: Crd): string | undefined {
  const served = live.spec.versions.filter((version) => version.served);
  const kept = served.filter(({ name }) => next.spec.versions.some((version) => version.name === name));
  return (kept.find(({ storage }) => storage) ?? kept[0] ?? served.find(({ storage }) => storage) ?? served[0])?.name;
}

interface Checks {
  /** What objects are checked against, by version. */
  checkers: ReadonlyMap<string, CustomResourceChecker>;
  unchecked: string[];
}

/**
 * Objects are checked in the version they are read in, and in the one they will be stored in: without a webhook a
 * version is only another name, and the schema of each version that an object passes through takes out what it does not
 * know.
 */
function checksIn(version: string, next: Crd): string[] {
  const stored = next.spec.versions.find(({ storage }) => storage)?.name ?? version;
  const known = next.spec.versions.some(({ name }) => name === version);
  const converts = next.spec.conversion?.strategy === "Webhook";
  return [...new Set([...(known ? [version] : []), ...(converts && known ? [] : [stored])])];
}

function checkersFor(version: string, next: Crd, live: Crd, migration: CrMigration | undefined): Checks {
  // What is migrated is written in the version that it is stored in, through a schema that keeps everything.
  const names = migration ? [migration.to] : checksIn(version, next);
  const checkers = next.spec.versions
    .filter(({ name }) => names.includes(name))
    .sort((a) => (a.name === version ? -1 : 1))
    .map(({ name }) => [name, checkerOf(next, name)] as const);
  const unchecked = migration ? mixedForms(migration, live) : notChecked(version, next, live, names);
  return { checkers: new Map(checkers), unchecked };
}

/**
 * Read in one version, an object that is stored in another one may show less than it holds; the migration itself sees
 * all.
 */
function mixedForms({ readIn, underWay }: CrMigration, live: Crd): string[] {
  const stored = storedVersions(live).filter((version) => version !== readIn);
  return underWay || stored.length === 0
    ? []
    : [`what objects hold that are stored in ${stored.join(", ")} and version ${readIn} does not show`];
}

function notChecked(version: string, next: Crd, live: Crd, names: readonly string[]): string[] {
  const stored = next.spec.versions.find(({ storage }) => storage)?.name ?? version;
  const known = next.spec.versions.some(({ name }) => name === version);
  const others = next.spec.versions.filter((one) => one.served && !names.includes(one.name)).map(({ name }) => name);
  const webhook = [next, live].some(({ spec }) => spec.conversion?.strategy === "Webhook");
  const several = next.spec.versions.length + live.spec.versions.length > 2;
  return [
    ...(known ? [] : [`version ${version}, in which the objects can be read, is gone from the new CRD`]),
    ...(webhook && (several || stored !== version) ? ["what the conversion webhook makes of the objects"] : []),
    ...(others.length > 0 ? [`the objects as versions ${others.join(", ")}`] : []),
  ];
}

function nothing(unchecked: string[]): CustomResourcesReview {
  const findings = { total: 0, rejected: 0, pruned: 0, unchecked, examples: [], prunedFields: [] };
  return { findings, changedBy: [], changed: 0 };
}

function listProblem(error: unknown, crd: string): unknown {
  if (isExpired(error)) {
    return new UserError(
      "connection",
      `the ${crd} objects could not be read: the API server took longer for each of ${ATTEMPTS} lists than it keeps one`,
      "repeat when it has less to do, or make etcd's compaction interval longer",
    );
  }
  if (!(error instanceof ApiError) || error.code !== 403) return error;
  return new UserError(
    "permission",
    `missing permission: ${crd} objects may not be listed in all namespaces, so what the new CRD does to them is not known: ${error.message}`,
    `let the user list ${crd} in all namespaces, or use a context that may`,
  );
}
