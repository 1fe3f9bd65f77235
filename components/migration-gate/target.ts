import { dig, digList, type KubeObject } from "../../kubernetes/objects";
import { WORKLOAD_VERSIONS } from "../../kubernetes/rollout";
import { isPostgresServer } from "../database-backup/postgres-server";

/** An object of the chart, with the namespace it ends up in. */
export interface ObjectName {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** What of a rendered chart has to do with the schema migration of the auth service. */
export interface MigrationTarget {
  /** Workload of the auth service, which migrates its database when it starts; undefined when none was found. */
  readonly deployment?: ObjectName;
  /** Why none was found, in words. */
  readonly missing?: string;
  /** Jobs of the chart that migrate. helm deletes those of hooks when it likes, so the gate does not wait for them. */
  readonly jobs: readonly (ObjectName & { readonly hook: boolean })[];
  /** Workload of the auth service's PostgreSQL and the container in it; undefined when the chart brings none. */
  readonly database?: ObjectName & { readonly container: string };
}

/** Where to look for it. */
export interface TargetRules {
  readonly release: string;
  /** Namespace of objects that name none. */
  readonly namespace: string;
  /** Name of the workload as configured; undefined: `<release>-auth-service`, else the one labelled as such. */
  readonly deployment?: string;
}

const COMPONENT = "app.kubernetes.io/component";
const MIGRATES = /migrat|alembic|flyway|liquibase|prisma|\b(goose|dbmate|tern)\b/i;

/** Finds the auth service, the Jobs that migrate and the database among the objects of a chart. */
export function findMigrationTarget(
  objects: readonly KubeObject[],
  hooks: readonly KubeObject[],
  rules: TargetRules,
): MigrationTarget {
  const named = (object: KubeObject): ObjectName => ({
    kind: object.kind,
    namespace: object.metadata.namespace ?? rules.namespace,
    name: object.metadata.name ?? "",
  });
  const deployment = findService(objects, rules);
  const jobs = (list: readonly KubeObject[], hook: boolean) =>
    list.filter(isMigrationJob).map((object) => ({ ...named(object), hook }));
  const database = findDatabase(objects, rules);
  return {
    ...(typeof deployment === "string" ? { missing: deployment } : { deployment: named(deployment) }),
    jobs: [...jobs(objects, false), ...jobs(hooks, true)],
    ...(database ? { database: { ...named(database), container: postgresContainer(database) } } : {}),
  };
}

/** Kinds that the service may be; a Deployment comes first. */
const SERVES = ["Deployment", "StatefulSet", "Rollout", "DaemonSet"];

function findService(objects: readonly KubeObject[], rules: TargetRules): KubeObject | string {
  const ofKind = (wanted: string) =>
    objects.filter(({ apiVersion, kind }) => kind === wanted && apiVersion === WORKLOAD_VERSIONS[wanted]);
  const all = SERVES.flatMap(ofKind);
  const name = rules.deployment ?? `${rules.release}-auth-service`;
  const byName = all.find(({ metadata }) => metadata.name === name);
  if (byName) return byName;
  const deployments = ofKind("Deployment");
  const names = deployments.map(({ metadata }) => metadata.name).join(", ") || "none";
  const not = `the chart has no Deployment ${name} (it has: ${names})`;
  if (rules.deployment !== undefined) return not;
  const isLabelled = (object: KubeObject) => hasComponent(object, "auth-service");
  const labelled = deployments.some(isLabelled) ? deployments.filter(isLabelled) : all.filter(isLabelled);
  if (labelled.length === 1 && labelled[0]) return labelled[0];
  const several = `several are labelled ${COMPONENT}=auth-service`;
  return `${not} and ${labelled.length > 1 ? several : `none labelled ${COMPONENT}=auth-service`}`;
}

function findDatabase(objects: readonly KubeObject[], { release }: TargetRules): KubeObject | undefined {
  const workloads = objects.filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet");
  const byName = workloads.find(({ metadata }) => metadata.name === `${release}-postgres-auth`);
  return byName ?? workloads.find((object) => hasComponent(object, "postgres-auth"));
}

/**
 * The database of the auth service where the chart calls its server otherwise: what the backup takes for a server,
 * where there is no doubt which one is meant. Looked for when it is needed, because what the gate was told is recorded.
 */
export function databaseNamedOtherwise(objects: readonly KubeObject[], namespace: string): MigrationTarget["database"] {
  const servers = objects
    .filter(({ kind }) => kind === "Deployment" || kind === "StatefulSet")
    .filter((object) => digList(object, "spec", "template", "spec", "containers").some(isPostgresServer));
  const [only, ...others] =
    servers.length > 1 ? servers.filter(({ metadata }) => /auth/.test(metadata.name ?? "")) : servers;
  if (!only || others.length > 0) return undefined;
  const { kind, metadata } = only;
  const at = { kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" };
  return { ...at, container: postgresContainer(only) };
}

function hasComponent(object: KubeObject, component: string): boolean {
  const ofPods = dig(object, "spec", "template", "metadata", "labels", COMPONENT);
  return (object.metadata.labels?.[COMPONENT] ?? ofPods) === component;
}

function postgresContainer(workload: KubeObject): string {
  const containers = digList(workload, "spec", "template", "spec", "containers");
  const postgres = containers.find(isPostgresServer);
  return textOf(dig(postgres ?? containers[0], "name"));
}

/** A Job that says in its name, its containers' names or their command lines that it migrates. */
function isMigrationJob(object: KubeObject): boolean {
  if (object.kind !== "Job") return false;
  return [object.metadata.name, ...commandLines(object).flat()].some((word) => MIGRATES.test(textOf(word)));
}

/** For each container its name, command and arguments. */
function commandLines(object: KubeObject): unknown[][] {
  const containers = ["initContainers", "containers"].flatMap((list) =>
    digList(object, "spec", "template", "spec", list),
  );
  return containers.map((container) => [
    dig(container, "name"),
    ...digList(container, "command"),
    ...digList(container, "args"),
  ]);
}

/** Command lines that migrate without a word that says so. */
const MIGRATING_COMMAND = /(^|\s)(db upgrade|database update|yoyo apply|sqitch deploy)(\s|$)|\befbundle\b/;

/**
 * What else of a release migrates, by its containers' names and command lines: Jobs, and workloads beside the auth
 * service, such as its worker. Looked for when it is needed, because what the gate was told is recorded.
 */
export function alsoMigrating(
  objects: readonly KubeObject[],
  namespace: string,
  known: readonly ObjectName[],
): ObjectName[] {
  const migrates = (object: KubeObject) =>
    commandLines(object).some(
      (words) =>
        words.some((word) => MIGRATES.test(textOf(word))) || MIGRATING_COMMAND.test(words.map(textOf).join(" ")),
    );
  return objects
    .filter((object) => [...SERVES, "Job"].includes(object.kind) && migrates(object))
    .map(({ kind, metadata }) => ({ kind, namespace: metadata.namespace ?? namespace, name: metadata.name ?? "" }))
    .filter((one) => !known.some(({ kind, name }) => kind === one.kind && name === one.name));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : "";
}
