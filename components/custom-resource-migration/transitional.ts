import { z } from "zod";
import { type Crd, MIGRATION_ANNOTATION } from "../../crds/crds";
import { dig, isMap, type KubeObject } from "../../kubernetes/objects";

const note = z.strictObject({
  /** Version that the objects get to. */
  to: z.string(),
  /** Hash of the rules. */
  rules: z.string(),
  /** Where the objects are as they were before. */
  backup: z.string(),
});

/** What the annotation of a transitional CRD says. */
export type MigrationNote = z.infer<typeof note>;

/** A schema that takes and keeps anything. */
const ANYTHING = { openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true } };

/** Whether a CRD on the cluster is one that {@link transitionalCrd} made. */
export function isTransitional(live: KubeObject): boolean {
  return noteOf(live) !== undefined;
}

/** What the annotation says; undefined without one. */
export function noteOf(live: KubeObject): MigrationNote | undefined {
  const text = live.metadata.annotations?.[MIGRATION_ANNOTATION];
  if (text === undefined) return undefined;
  try {
    return note.safeParse(JSON.parse(text)).data ?? UNREADABLE;
  } catch {
    return UNREADABLE;
  }
}

/** An annotation that somebody edited still says that a migration is under way. */
const UNREADABLE: MigrationNote = { to: "", rules: "", backup: "" };

/**
 * The CRD between the old and the new one: it serves the versions of both, stores `to`, and its schemas keep every
 * field and refuse nothing, so that objects in the old form and in the new one live beside each other. Conversion is by
 * name only.
 */
export function transitionalCrd(live: KubeObject, next: Crd, to: string, said: MigrationNote): KubeObject {
  const before = versionsOf(live);
  const after = versionsOf(next);
  const names = [...new Set([...before, ...after].map(({ name }) => name))];
  const versions = names.map((name) => {
    const [older, newer] = [before, after].map((list) => list.find((version) => version.name === name));
    const { schema: _schema, selectableFields: _fields, ...rest } = older ?? newer ?? { name };
    const served = older?.served === true || newer?.served === true || name === to;
    return { ...rest, name, served, storage: name === to, schema: ANYTHING };
  });
  const { status: _status, ...whole } = live;
  return {
    ...whole,
    metadata: {
      ...live.metadata,
      annotations: { ...live.metadata.annotations, [MIGRATION_ANNOTATION]: JSON.stringify(said) },
    },
    spec: { ...(isMap(live["spec"]) ? live["spec"] : {}), conversion: { strategy: "None" }, versions },
  };
}

/**
 * The new CRD as the API server takes it while objects may still be stored in versions that it lacks: with those, not
 * served. For dry-runs, which tell whether all else of it is fit; at a preview the provider makes one, too.
 */
export function withStoredVersions(next: Crd, live: KubeObject, storedVersions: readonly string[]): Crd {
  const missing = storedVersions.filter((name) => !next.spec.versions.some((version) => version.name === name));
  const more = missing.map((name) => {
    const version = versionsOf(live).find((one) => one.name === name) ?? { name, schema: ANYTHING };
    return { ...version, served: false, storage: false };
  });
  return more.length === 0 ? next : { ...next, spec: { ...next.spec, versions: [...next.spec.versions, ...more] } };
}

interface Version extends Record<string, unknown> {
  name: string;
}

function versionsOf(crd: unknown): Version[] {
  const versions = dig(crd, "spec", "versions");
  const found: unknown[] = Array.isArray(versions) ? versions : [];
  return found.flatMap((version) =>
    isMap(version) && typeof version["name"] === "string" ? [version as Version] : [],
  );
}
