import { z } from "zod";
import { backupFactSchema } from "../../components/database-backup/backup-fact";

/** What part of the runtime a workload is. */
export const COMPONENTS = ["keycloak", "postgres", "auth-service", "sidecar", "other"] as const;
export type Component = (typeof COMPONENTS)[number];

const text = z.string();

const imageSchema = z.strictObject({
  container: text,
  image: text,
  registry: text.meta({ description: "host of the registry; docker.io where the image names none" }),
  digest: z.boolean().meta({ description: "the image is named by its digest" }),
  moving: z.boolean().meta({ description: "the tag may mean other bytes tomorrow" }),
});

const workloadSchema = z.strictObject({
  workload: text.meta({ description: "Kind/namespace/name" }),
  component: z.enum(COMPONENTS),
  replicas: z
    .number()
    .int()
    .min(0)
    .meta({ description: "pods after the upgrade; with an autoscaler, the fewest it may go down to" }),
  most: z.number().int().min(0).optional().meta({
    description: "pods after the upgrade; with an autoscaler, the most it may go up to; absent in reviews of 0.2.0",
  }),
  unavailable: z
    .number()
    .int()
    .min(0)
    .optional()
    .meta({ description: "pods that its strategy lets be missing at once; absent in reviews of 0.2.0" }),
  rolls: z.boolean().meta({ description: "its pods are replaced by this upgrade" }),
  strategy: text.meta({ description: "RollingUpdate, Recreate, OnDelete" }),
  exclusiveClaims: z.array(text).meta({ description: "claims it mounts that one node only can (ReadWriteOnce)" }),
  budget: text.nullable().meta({ description: "the PodDisruptionBudget that keeps at least one pod; null: none" }),
  clustering: z
    .strictObject({
      clustered: z.boolean(),
      unknown: z.literal(true).optional().meta({ description: "it counts as no cluster, and cannot be told" }),
      why: text,
    })
    .nullable()
    .meta({ description: "Keycloak only: whether several replicas share their sessions" }),
  images: z.array(imageSchema),
});

const jobSchema = z.strictObject({
  workload: text.meta({ description: "Kind/namespace/name" }),
  images: z.array(imageSchema),
});

const passwordSchema = z.strictObject({
  where: text.meta({ description: "the value's path, or the Secret and its key; never the value" }),
  origin: z.enum(["chart", "config", "secret"]).meta({
    description: "chart: its default or its template; config: readable in values or a value file; secret: encrypted",
  }),
  problem: z
    .enum(["default", "short"])
    .nullable()
    .meta({ description: "default: known to everybody; short: fewer than 12 characters" }),
});

const namespaceSchema = z.strictObject({
  name: text,
  label: text.meta({ description: "the label that the mode needs, as key=value" }),
  labelled: z
    .boolean()
    .nullable()
    .meta({
      description:
        "new pods of its MAS workloads get a proxy, as the injector says; where it cannot be asked, whether the label is " +
        "there. null: the namespace could not be read",
    }),
  why: text.optional().meta({ description: "which workload's pods get no proxy, and why" }),
  fix: text.optional().meta({ description: "what gives them one" }),
  workloads: z.number().int().min(0).meta({ description: "MAS workloads in it" }),
});

/** What the runtime is made of once the upgrade is done: the facts that rules about its safety need. */
export const runtimeSchema = z.strictObject({
  workloads: z.array(workloadSchema),
  jobs: z
    .array(jobSchema)
    .meta({ description: "Jobs, CronJobs and Pods of the release, those of helm hooks included" }),
  passwords: z.array(passwordSchema),
  failClosed: z.array(text).meta({ description: "objects that deny MAS traffic when the sidecar does not answer" }),
  failOpen: z.array(text).optional().meta({
    description:
      "objects that let MAS traffic pass unasked when the sidecar does not answer; absent in reviews of 0.2.0",
  }),
  namespaces: z.array(namespaceSchema),
  backup: backupFactSchema,
});

export type RuntimeFacts = z.infer<typeof runtimeSchema>;
export type RuntimeWorkload = z.infer<typeof workloadSchema>;
export type RuntimeJob = z.infer<typeof jobSchema>;
export type RuntimeImage = z.infer<typeof imageSchema>;
export type PasswordFact = z.infer<typeof passwordSchema>;
export type NamespaceFact = z.infer<typeof namespaceSchema>;
