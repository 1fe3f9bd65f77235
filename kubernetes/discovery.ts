import { z } from "zod";

/** One resource type as the API server serves it. */
export interface ServedResource {
  plural: string;
  namespaced: boolean;
  /** Whether its objects can be patched; helm takes that for the sign that the server judges their fields. */
  patchable: boolean;
}

/** Kinds of one API version. */
export type Kinds = Map<string, ServedResource>;

/**
 * Asks for everything in one answer, for what servers before Kubernetes 1.30 know, or for the plain list of versions.
 */
export const DISCOVERY_ACCEPT = [
  "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
  "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList",
  "application/json",
].join(",");

const aggregated = z.looseObject({
  kind: z.literal("APIGroupDiscoveryList"),
  items: z.array(
    z.looseObject({
      metadata: z.looseObject({ name: z.string().default("") }).prefault({}),
      versions: z.array(
        z.looseObject({
          version: z.string(),
          resources: z
            .array(
              z.looseObject({
                resource: z.string(),
                scope: z.string(),
                verbs: z.array(z.string()).nullish(),
                responseKind: z.looseObject({ kind: z.string() }).nullish(),
              }),
            )
            .nullish(),
        }),
      ),
    }),
  ),
});
const oneVersion = z.looseObject({
  kind: z.literal("APIResourceList"),
  groupVersion: z.string(),
  resources: z.array(
    z.looseObject({
      ...{ name: z.string(), kind: z.string(), namespaced: z.boolean() },
      verbs: z.array(z.string()).nullish(),
    }),
  ),
});
const groups = z.looseObject({
  kind: z.literal("APIGroupList"),
  groups: z.array(z.looseObject({ versions: z.array(z.looseObject({ groupVersion: z.string() })) })),
});
const coreVersions = z.looseObject({ kind: z.literal("APIVersions"), versions: z.array(z.string()) });

/**
 * Reads an answer with kinds, aggregated or of one version; undefined when it lists versions only. Subresources are
 * left out.
 */
export function kindsByVersion(answer: unknown): Map<string, Kinds> | undefined {
  const single = oneVersion.safeParse(answer);
  if (single.success) {
    const own = single.data.resources.filter(({ name }) => !name.includes("/"));
    const kinds = own.map(
      ({ kind, name, namespaced, verbs }) =>
        [kind, { plural: name, namespaced, patchable: isPatchable(verbs) }] as const,
    );
    return new Map([[single.data.groupVersion, new Map(kinds)]]);
  }
  const all = aggregated.safeParse(answer);
  if (!all.success) return undefined;
  const found = new Map<string, Kinds>();
  for (const { metadata, versions } of all.data.items) {
    for (const { version, resources } of versions) {
      const kinds: Kinds = new Map();
      for (const { resource, scope, responseKind, verbs } of resources ?? []) {
        if (!responseKind) continue;
        const namespaced = scope === "Namespaced";
        kinds.set(responseKind.kind, { plural: resource, namespaced, patchable: isPatchable(verbs) });
      }
      found.set(metadata.name ? `${metadata.name}/${version}` : version, kinds);
    }
  }
  return found;
}

function isPatchable(verbs: readonly string[] | null | undefined): boolean {
  return verbs?.includes("patch") ?? false;
}

/** API versions in a plain list of versions; none in any other answer. */
export function versionsIn(answer: unknown): string[] {
  const core = coreVersions.safeParse(answer);
  if (core.success) return core.data.versions;
  const named = groups.safeParse(answer);
  return named.success
    ? named.data.groups.flatMap(({ versions }) => versions.map(({ groupVersion }) => groupVersion))
    : [];
}
