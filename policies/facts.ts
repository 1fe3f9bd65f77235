import { z } from "zod";

/**
 * What the rules read of `casa-review`, the resource by which casa-upgrade tells policies about cluster and chart. A
 * part of docs/review.schema.json, written again here because a published pack is this folder alone; a test holds both
 * together. Every fact is known at preview.
 */

const text = z.string();

const images = z.array(
  z.looseObject({ container: text, image: text, registry: text, digest: z.boolean(), moving: z.boolean() }),
);
export const workload = z.looseObject({
  workload: text,
  component: z.enum(["keycloak", "postgres", "auth-service", "sidecar", "other"]),
  replicas: z.number(),
  /** Absent before 0.3.0, as `unavailable`. */
  most: z.number().optional(),
  unavailable: z.number().optional(),
  rolls: z.boolean(),
  strategy: text,
  exclusiveClaims: z.array(text),
  budget: text.nullable(),
  clustering: z.looseObject({ clustered: z.boolean(), unknown: z.boolean().optional(), why: text }).nullable(),
  images,
});
/** Everything that runs pods, Jobs and helm hooks included. */
export const podRunners = z.looseObject({
  workloads: z.array(z.looseObject({ workload: text, images })),
  jobs: z.array(z.looseObject({ workload: text, images })),
});
export const workloads = z.looseObject({ workloads: z.array(workload) });
export type Workload = z.infer<typeof workload>;

export const passwords = z.looseObject({
  passwords: z.array(
    z.looseObject({
      where: text,
      origin: z.enum(["chart", "config", "secret"]),
      problem: z.enum(["default", "short"]).nullable(),
    }),
  ),
});
/** `failOpen`: absent before 0.3.0. */
export const failClosed = z.looseObject({ failClosed: z.array(text), failOpen: z.array(text).default([]) });
export const namespaces = z.looseObject({
  namespaces: z.array(
    z.looseObject({
      ...{ name: text, label: text, labelled: z.boolean().nullable(), workloads: z.number() },
      ...{ why: text.optional(), fix: text.optional() },
    }),
  ),
});
export const backup = z.looseObject({
  backup: z.looseObject({
    planned: z.boolean(),
    needed: z.boolean(),
    why: text,
    missing: z.array(z.looseObject({ what: text, fix: text })),
  }),
});

/** `fix` where it is another than helm's annotation on the claim, `empty` where no data goes with it. */
export const claims = z.array(
  z.looseObject({ namespace: text, name: text, why: text, empty: z.boolean().optional(), fix: text.optional() }),
);
/** Absent before 0.3.0. */
export const contents = z.array(z.looseObject({ kind: text, name: text, why: text, fix: text })).default([]);
export const databases = z.array(
  z.looseObject({
    workload: text,
    problem: z.enum(["lost", "moved", "gone", "major", "major-unknown"]),
    text,
    fix: text,
  }),
);
export const keycloaks = z.array(z.looseObject({ workload: text, text, fix: text }));
export const crds = z.array(
  z.looseObject({
    name: text,
    action: z.enum(["create", "update", "unchanged", "retained"]),
    findings: z.array(
      z.looseObject({ rule: text, severity: z.enum(["error", "warning", "none"]), text, path: text.optional() }),
    ),
    customResources: z.looseObject({
      total: z.number(),
      rejected: z.number(),
      pruned: z.number(),
      examples: z.array(z.looseObject({ object: text, rejected: z.array(text), pruned: z.array(text) })),
    }),
  }),
);
export const breaking = z.looseObject({
  distance: z.looseObject({ kind: text, skipped: z.array(text), text }),
  values: z.array(z.looseObject({ path: text, problem: text, text, suggestion: text.optional() })),
});
export const restarts = z.looseObject({
  maxConcurrent: z.number(),
  pending: z.number(),
  total: z.number(),
});
export const acknowledgements = z.array(z.looseObject({ policy: text, until: text, reason: text }));
