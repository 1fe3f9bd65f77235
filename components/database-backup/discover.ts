import { z } from "zod";
import { isPostgresServer } from "./postgres-server";
import type { DatabaseTarget, ValueRef } from "./references";

const keyRef = z.looseObject({ name: z.string().nullish(), key: z.string(), optional: z.boolean().nullish() });
const source = z.looseObject({ name: z.string().nullish() });
const container = z.looseObject({
  name: z.string(),
  image: z.string().nullish(),
  env: z
    .array(
      z.looseObject({
        name: z.string(),
        value: z.string().nullish(),
        valueFrom: z.looseObject({ secretKeyRef: keyRef.nullish(), configMapKeyRef: keyRef.nullish() }).nullish(),
      }),
    )
    .nullish(),
  envFrom: z
    .array(z.looseObject({ prefix: z.string().nullish(), secretRef: source.nullish(), configMapRef: source.nullish() }))
    .nullish(),
});
type Container = z.infer<typeof container>;

const workload = z.looseObject({
  kind: z.enum(["Deployment", "StatefulSet"]),
  metadata: z.looseObject({ name: z.string(), namespace: z.string().nullish() }),
  spec: z.looseObject({
    template: z.looseObject({ spec: z.looseObject({ containers: z.array(container) }) }),
  }),
});

/** How the common images call their settings, the official one's first. */
const USER = ["POSTGRES_USER", "POSTGRESQL_USERNAME", "POSTGRESQL_USER"];
const DATABASE = ["POSTGRES_DB", "POSTGRES_DATABASE", "POSTGRESQL_DATABASE"];
const PASSWORD = ["POSTGRES_PASSWORD", "POSTGRESQL_PASSWORD"];
/** Of the superuser, where the user is another one. */
const ADMIN_PASSWORD = ["POSTGRESQL_POSTGRES_PASSWORD", "POSTGRES_POSTGRES_PASSWORD"];

/**
 * The databases of the PostgreSQL servers among a release's objects: by image and environment, whatever the chart calls
 * them. A server has one database here, the one that its image creates.
 *
 * @param namespace of objects that name none.
 */
export function discoverDatabases(objects: readonly unknown[], namespace: string): DatabaseTarget[] {
  const found = objects.flatMap((object) => {
    const parsed = workload.safeParse(object);
    if (!parsed.success) return [];
    const { kind, metadata, spec } = parsed.data;
    const at = { kind, namespace: metadata.namespace ?? namespace, workload: metadata.name };
    return spec.template.spec.containers.filter(isPostgresServer).map((one) => targetOf(one, at));
  });
  return found.map((target) => ({ ...target, name: nameOf(target, found) }));
}

type Place = { kind: "Deployment" | "StatefulSet"; namespace: string; workload: string };

function targetOf(one: Container, place: Place): DatabaseTarget & { at: Place } {
  const user = [...settings(one, USER), { value: "postgres" }];
  const fileOf = (names: readonly string[]) =>
    (one.env ?? []).find(({ name, value }) => names.some((known) => name === `${known}_FILE`) && value)?.value;
  const passwordFile = fileOf(PASSWORD);
  const adminFile = fileOf(ADMIN_PASSWORD);
  const admin = { password: settings(one, ADMIN_PASSWORD), ...(adminFile ? { passwordFile: adminFile } : {}) };
  return {
    name: "",
    // PostgreSQL's image calls the database after its user.
    database: [...settings(one, DATABASE), ...user],
    user,
    password: settings(one, PASSWORD),
    ...(admin.password.length > 0 || adminFile ? { admin } : {}),
    at: { ...place, container: one.name, ...(passwordFile ? { passwordFile } : {}) },
  };
}

/** Where a container's variable comes from, best first: its own entry, then the last of the sets that may hold it. */
function settings({ env, envFrom }: Container, names: readonly string[]): ValueRef[] {
  return names.flatMap((name) => {
    const own = (env ?? []).filter((variable) => variable.name === name).at(-1);
    if (own) return direct(own);
    return [...(envFrom ?? [])].reverse().flatMap(({ prefix, secretRef, configMapRef }): ValueRef[] => {
      if (!name.startsWith(prefix ?? "")) return [];
      const key = name.slice(prefix?.length ?? 0);
      if (secretRef?.name) return [{ kind: "Secret", name: secretRef.name, key, optional: true }];
      return configMapRef?.name ? [{ kind: "ConfigMap", name: configMapRef.name, key, optional: true }] : [];
    });
  });
}

function direct({ value, valueFrom }: NonNullable<Container["env"]>[number]): ValueRef[] {
  const [secret, config] = [valueFrom?.secretKeyRef, valueFrom?.configMapKeyRef];
  const optional = (ref: z.infer<typeof keyRef>) => (ref.optional ? { optional: true } : {});
  if (secret?.name) return [{ kind: "Secret", name: secret.name, key: secret.key, ...optional(secret) }];
  if (config?.name) return [{ kind: "ConfigMap", name: config.name, key: config.key, ...optional(config) }];
  return value ? [{ value }] : [];
}

/** The database's name where it is readable and no other server has it, else the workload's. */
function nameOf(target: DatabaseTarget & { at: Place }, all: readonly DatabaseTarget[]): string {
  const literal = (one: DatabaseTarget) => {
    const first = one.database[0];
    return first && "value" in first && /^[A-Za-z0-9][-\w.]*$/.test(first.value) ? first.value : undefined;
  };
  const name = literal(target);
  const unique = name !== undefined && all.filter((other) => literal(other) === name).length === 1;
  return unique ? name : target.at.workload;
}
