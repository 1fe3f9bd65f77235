import { ruleForm } from "../../components/custom-resource-migration/rules";
import { z } from "zod";
import { restartsSchema } from "../../components/workload-restarts/restart-review";
import { crdFindingSchema } from "../../crds/compat/finding";
import { checkSchema } from "../../kubernetes/object-check";
import { runtimeSchema } from "../facts/schema";

/**
 * The review of an upgrade: everything that a reviewer signs, as plain data. It is what `casa-upgrade plan` writes as
 * JSON (docs/review.schema.json is made from this file), what the Markdown and the timeline are made from, and what the
 * `casa-review` resource carries to policies. It never holds a secret value.
 */

const text = z.string();
const count = z.number().int().min(0);

/** Why a field changes. */
export const causeSchema = z.enum(["chart", "values", "drift", "server", "generated", "autoscaler"]).meta({
  description:
    "chart: the new chart version renders it differently; values: the configured values do; drift: it was changed by " +
    "hand on the cluster and the upgrade overwrites that; server: the API server or a webhook sets it in consequence; " +
    "generated: the chart makes it up anew with each rendering; autoscaler: a HorizontalPodAutoscaler holds it",
});

const fieldSchema = z.strictObject({
  path: text.meta({ description: "e.g. spec.template.spec.containers[auth].image" }),
  before: text.optional().meta({ description: "the live value as compact JSON; absent: not set; secrets as [secret]" }),
  after: text.optional().meta({ description: "the value after the upgrade; absent: removed" }),
  cause: causeSchema,
  unset: z
    .literal(true)
    .optional()
    .meta({ description: "the installed chart sets it, and the new one leaves it to the API server" }),
});

const objectSchema = z.strictObject({
  apiVersion: text,
  kind: text,
  namespace: text.optional().meta({ description: "absent for objects without a namespace" }),
  name: text,
  action: z.enum(["create", "update", "delete", "keep"]).meta({
    description: "keep: the new chart no longer has it, but its resource policy makes helm leave it",
  }),
  writer: z.enum(["crds", "helm", "hook", "restart", "record", "controller"]).meta({
    description:
      "who changes it: the CRD step, helm (rendered objects), a helm hook, a restart of a MAS workload, bookkeeping " +
      "(helm's revision Secrets and the restart records), or a controller in consequence (claims of a StatefulSet)",
  }),
  fields: z.array(fieldSchema).meta({ description: "changed fields; empty for create and delete" }),
  folded: count.meta({ description: "changed fields that are left out as noise: checksums, chart and version labels" }),
  temporary: z.literal(true).optional().meta({ description: "an object of a hook that helm deletes once it is done" }),
  check: checkSchema,
});

/** One container image of a workload that does not say which bytes will run. */
const imageSchema = z.strictObject({
  workload: text.meta({ description: "Kind/namespace/name" }),
  container: text,
  image: text,
  problem: z.enum(["moving-tag", "no-tag"]),
  rolls: z.boolean().meta({ description: "whether its pod template changes in this upgrade" }),
  pullPolicy: text,
});

/** A workload of the release whose pods are replaced. */
const rollSchema = z.strictObject({
  workload: text.meta({ description: "Kind/namespace/name" }),
  reasons: z.array(
    z.strictObject({
      kind: z.enum(["image", "env", "config", "resources", "volumes", "command", "annotations", "replicas", "other"]),
      text,
    }),
  ),
  strategy: text.meta({ description: "RollingUpdate, Recreate, OnDelete" }),
  replicas: count,
  downtime: z.strictObject({
    expected: z.enum(["none", "brief", "until-ready", "deadlock"]).meta({
      description:
        "none: enough replicas stay; brief: one replica, the new pod is ready before the old one goes, connections break; " +
        "until-ready: nothing serves until the new pod is ready; deadlock: the new pod waits for a volume that the old one holds",
    }),
    why: text,
  }),
});

/** A claim that helm deletes, and the data in it. */
const claimSchema = z.strictObject({
  namespace: text,
  name: text,
  size: text.optional(),
  reclaimPolicy: text.optional().meta({ description: "of its volume: Delete loses the data at once" }),
  why: text,
  empty: z.literal(true).optional().meta({ description: "it never got a volume, so no data goes with it" }),
  fix: text.optional().meta({ description: "what keeps it, where helm's annotation on the claim does not" }),
});

/** Something that goes with all that is in it. */
const contentsSchema = z.strictObject({
  kind: text.meta({ description: "Namespace or CustomResourceDefinition" }),
  name: text,
  why: text,
  fix: text,
});

/** What becomes of the data of a database server. */
const databaseSchema = z.strictObject({
  workload: text.meta({ description: "Kind/namespace/name" }),
  problem: z.enum(["lost", "moved", "gone", "major", "major-unknown"]).meta({
    description:
      "lost: the data goes with the pod, which is replaced; moved: the new server looks for it elsewhere; gone: the server " +
      "is deleted; major: the new server is of another major version than the data; major-unknown: that cannot be told",
  }),
  text,
  fix: text,
});

/** A Keycloak whose old and new pods cannot run side by side. */
const keycloakSchema = z.strictObject({ workload: text.meta({ description: "Kind/namespace/name" }), text, fix: text });

const valuesFindingSchema = z.strictObject({
  path: text,
  problem: z.enum(["dropped", "unknown", "required", "invalid"]).meta({
    description:
      "dropped: the installed chart knew it, the new one does not; unknown: neither does; required, invalid: not reported " +
      "any more, helm itself refuses what is against the chart's values.schema.json",
  }),
  suggestion: text.optional().meta({ description: "the nearest key of the new chart" }),
  text,
});

const noteSchema = z.strictObject({
  version: text,
  source: text.meta({ description: "Chart.yaml, or the file in the package" }),
  kind: text.optional().meta({ description: "added, changed, deprecated, removed, fixed, security; or breaking" }),
  text,
});

const breakingSchema = z.strictObject({
  distance: z.strictObject({
    kind: z.enum(["install", "none", "patch", "minor", "major", "downgrade", "prerelease", "other"]),
    skipped: z.array(text).meta({ description: "minor or major versions between that are jumped over, in words" }),
    text,
  }),
  values: z.array(valuesFindingSchema),
  notes: z.array(noteSchema).meta({ description: "the chart's own notes between the two versions, newest first" }),
});

const customResourceFindingSchema = z.strictObject({
  object: text.meta({ description: "namespace/name" }),
  rejected: z.array(text).meta({ description: "why the new schema would reject it when it is next written" }),
  pruned: z.array(text).meta({ description: "fields that it loses" }),
});

/** What is done to the objects of a CRD before its new schema is served. */
const crMigrationSchema = z.strictObject({
  from: z
    .array(text)
    .meta({ description: "versions that objects come from; the same as `to` for a migration within one" }),
  to: text,
  rules: z.array(
    z.strictObject({
      rule: text,
      form: ruleForm.optional().meta({ description: "absent in reviews of 0.1" }),
      objects: count.meta({ description: "objects that it changes" }),
    }),
  ),
  changed: count.meta({ description: "objects that some rule changes" }),
  storage: z.boolean().meta({ description: "every object is written again, and status.storedVersions reduced" }),
  underWay: z.boolean().meta({ description: "an earlier run began it" }),
  backup: text.meta({ description: "where all objects are saved first" }),
});

const crdSchema = z.strictObject({
  name: text,
  action: z.enum(["create", "update", "unchanged", "retained"]),
  findings: z.array(crdFindingSchema),
  migration: crMigrationSchema.optional(),
  customResources: z.strictObject({
    total: count,
    rejected: count,
    pruned: count,
    unchecked: z.array(text).meta({ description: "rules that could not be evaluated here, with the reason" }),
    examples: z.array(customResourceFindingSchema).meta({ description: "at most 20, rejected ones first" }),
    prunedFields: z.array(z.strictObject({ path: text, objects: count })),
  }),
});

/** What a reviewer must not overlook, the worst first. */
export const riskSchema = z.strictObject({
  severity: z.enum(["high", "medium", "low"]),
  id: text.meta({ description: "stable id of the kind of risk, e.g. data-loss, downtime, crd-breaking" }),
  title: text,
  detail: text,
  fix: text.optional(),
});

/** A policy's finding that the config accepts for a time. */
const acknowledgementSchema = z.strictObject({
  policy: text,
  until: text.meta({ description: "last day on which it counts, YYYY-MM-DD (UTC)" }),
  reason: text,
});

/** The API server (or a rule of ours) says that the upgrade cannot work. */
const refusalSchema = z.strictObject({ object: text, problem: text, fix: text });

const identitySchema = z.strictObject({
  stack: text,
  cluster: z.strictObject({ context: text, id: text, version: text }),
  release: z.strictObject({ name: text, namespace: text, revision: count.nullable() }),
  chart: z.strictObject({
    name: text,
    before: text.nullable().meta({ description: "installed version; null: not installed" }),
    after: text,
    digest: text.meta({ description: "hash of what the chart renders, secret data left out" }),
  }),
});

export const reviewSchema = z
  .strictObject({
    schemaVersion: z.literal(1),
    identity: identitySchema,
    verdict: z.enum(["unchanged", "changes", "refused"]),
    objects: z.array(objectSchema),
    rolls: z.array(rollSchema),
    images: z.array(imageSchema),
    claims: z.array(claimSchema).meta({ description: "PersistentVolumeClaims that the upgrade deletes" }),
    contents: z.array(contentsSchema).optional().meta({
      description: "namespaces and CRDs that the upgrade deletes with all that is in them; absent in reviews of 0.2.0",
    }),
    databases: z
      .array(databaseSchema)
      .default([])
      .meta({ description: "database servers that do not go on with their data; absent in reviews of 0.2.0" }),
    keycloak: z.array(keycloakSchema).default([]).meta({
      description: "clustered Keycloaks that change their minor version pod by pod; absent in reviews of 0.2.0",
    }),
    breaking: breakingSchema,
    crds: z.array(crdSchema),
    restarts: restartsSchema,
    runtime: runtimeSchema.meta({ description: "what the runtime is made of after the upgrade; policies read it" }),
    acknowledgements: z.array(acknowledgementSchema),
    risks: z.array(riskSchema),
    refusals: z.array(refusalSchema),
    warnings: z.array(text),
    reviewed: z.record(z.string(), z.string()).meta({
      description:
        "keyed hashes of everything the review rests on, by what it is (cluster, config, chart, object …); " +
        "`casa-upgrade up --plan` refuses when one differs and names it",
    }),
    requests: count.meta({ description: "requests to the API server that the review took" }),
  })
  .meta({ title: "Review of a CASA upgrade" });

export type Review = z.infer<typeof reviewSchema>;
/** The parts that say what was found: they quote charts, the cluster and messages, and risks follow from them. */
export type FoundSections = Pick<
  Review,
  | "objects"
  | "rolls"
  | "images"
  | "claims"
  | "contents"
  | "databases"
  | "keycloak"
  | "breaking"
  | "crds"
  | "restarts"
  | "refusals"
>;
export type Cause = z.infer<typeof causeSchema>;
export type FieldChange = z.infer<typeof fieldSchema>;
export type ObjectChange = z.infer<typeof objectSchema>;
export type ImageFinding = z.infer<typeof imageSchema>;
export type Roll = z.infer<typeof rollSchema>;
export type DeletedClaim = z.infer<typeof claimSchema>;
export type DeletedContents = z.infer<typeof contentsSchema>;
export type DatabaseFinding = z.infer<typeof databaseSchema>;
export type KeycloakFinding = z.infer<typeof keycloakSchema>;
export type ValuesFinding = z.infer<typeof valuesFindingSchema>;
export type ChartNote = z.infer<typeof noteSchema>;
export type Breaking = z.infer<typeof breakingSchema>;
export type CustomResourceFinding = z.infer<typeof customResourceFindingSchema>;
export type CrMigrationReview = z.infer<typeof crMigrationSchema>;
export type CrdReview = z.infer<typeof crdSchema>;
export type Risk = z.infer<typeof riskSchema>;
export type Refusal = z.infer<typeof refusalSchema>;
