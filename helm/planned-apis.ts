import { z } from "zod";
import { dig, digList, isMap, type KubeObject } from "../kubernetes/objects";

/** A kind as a CRD of this upgrade serves it, in the words of the API server's discovery. */
interface ServedKind {
  group: string;
  plural: string;
  singular: string;
  kind: string;
  listKind: string;
  shortNames: string[];
  categories: string[];
  namespaced: boolean;
  /** Versions served. */
  versions: string[];
}

const VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

const aggregated = z.looseObject({
  kind: z.literal("APIGroupDiscoveryList"),
  items: z.array(
    z.looseObject({
      metadata: z.looseObject({ name: z.string().optional() }),
      versions: z.array(z.looseObject({ version: z.string(), resources: z.array(z.looseObject({})).nullish() })),
    }),
  ),
});
type Groups = z.infer<typeof aggregated>["items"];

const groupList = z.looseObject({
  kind: z.literal("APIGroupList"),
  groups: z.array(
    z.looseObject({
      name: z.string(),
      versions: z.array(z.looseObject({ groupVersion: z.string(), version: z.string() })),
    }),
  ),
});

const resourceList = z.looseObject({
  kind: z.literal("APIResourceList"),
  groupVersion: z.string(),
  resources: z.array(z.looseObject({ name: z.string() })),
});

/**
 * An answer of the API server's discovery as it will be once these CRDs are applied: what they serve is in it, what
 * they no longer serve is not. Any other answer is given back as it is.
 *
 * @param answer to `/apis`, in either form, or to `/apis/GROUP/VERSION`.
 */
export function withPlannedApis(answer: unknown, crds: readonly KubeObject[]): unknown {
  const kinds = crds.flatMap(servedKind);
  const all = aggregated.safeParse(answer);
  if (all.success) return { ...all.data, items: kinds.reduce(inGroups, all.data.items) };
  const groups = groupList.safeParse(answer);
  if (groups.success) return { ...groups.data, groups: kinds.reduce(inGroupList, groups.data.groups) };
  const resources = resourceList.safeParse(answer);
  if (resources.success)
    return {
      ...resources.data,
      resources: kinds.reduce(inVersion(resources.data.groupVersion), resources.data.resources),
    };
  return answer;
}

/**
 * The answer to a version that is not served yet; undefined when it will not be either.
 *
 * @param groupVersion such as `casa.io/v1`.
 */
export function plannedVersion(groupVersion: string, crds: readonly KubeObject[]): object | undefined {
  const resources = crds.flatMap(servedKind).reduce(inVersion(groupVersion), []);
  if (resources.length === 0) return undefined;
  return { kind: "APIResourceList", apiVersion: "v1", groupVersion, resources };
}

/** API versions, as `helm template --api-versions` takes them, once these CRDs are applied. */
export function apiVersionsWith(crds: readonly KubeObject[], present: readonly string[]): string[] {
  const kinds = crds.flatMap(servedKind);
  const ofThese = new Set(kinds.map(({ group, kind }) => `${group} ${kind}`));
  const others = present.filter((one) => {
    const [group, , kind] = one.split("/");
    return kind === undefined || !ofThese.has(`${group} ${kind}`);
  });
  const now = kinds.flatMap(({ group, kind, versions }) =>
    versions.flatMap((version) => [`${group}/${version}`, `${group}/${version}/${kind}`]),
  );
  // A version without any kind is not listed by the API server either.
  const alive = new Set(
    [...others, ...now].flatMap((one) => (one.split("/").length === 3 ? [one.slice(0, one.lastIndexOf("/"))] : [])),
  );
  const groups = new Set(kinds.map(({ group }) => group));
  const kept = others.filter(
    (one) => !groups.has(one.split("/")[0] ?? "") || one.split("/").length === 3 || alive.has(one),
  );
  return [...new Set([...kept, ...now])];
}

function servedKind(crd: KubeObject): ServedKind[] {
  const spec = dig(crd, "spec");
  const names = dig(spec, "names");
  const [group, plural, kind] = [dig(spec, "group"), dig(names, "plural"), dig(names, "kind")];
  if (typeof group !== "string" || typeof plural !== "string" || typeof kind !== "string") return [];
  const text = (value: unknown, otherwise: string) => (typeof value === "string" ? value : otherwise);
  const texts = (value: unknown[]) => value.filter((one): one is string => typeof one === "string");
  return [
    {
      ...{ group, plural, kind },
      singular: text(dig(names, "singular"), kind.toLowerCase()),
      listKind: text(dig(names, "listKind"), `${kind}List`),
      shortNames: texts(digList(names, "shortNames")),
      categories: texts(digList(names, "categories")),
      namespaced: dig(spec, "scope") !== "Cluster",
      versions: texts(
        digList(spec, "versions").map((one) => (dig(one, "served") === true ? dig(one, "name") : undefined)),
      ),
    },
  ];
}

function inGroups(groups: Groups, kind: ServedKind): Groups {
  const group = groups.find(({ metadata }) => metadata.name === kind.group) ?? {
    metadata: { name: kind.group },
    versions: [],
  };
  const others = group.versions.map((one) => ({
    ...one,
    resources: (one.resources ?? []).filter((resource) => resource["resource"] !== kind.plural),
  }));
  const named = [...others.map(({ version }) => version), ...kind.versions];
  const versions = [...new Set(named)].flatMap((version) => {
    const before = others.find((one) => one.version === version);
    const resources = [
      ...(before?.resources ?? []),
      ...(kind.versions.includes(version) ? [discovered(kind, version)] : []),
    ];
    return resources.length > 0 ? [{ freshness: "Current", ...before, version, resources }] : [];
  });
  const rest = groups.filter((one) => one !== group);
  return versions.length > 0 ? [...rest, { ...group, versions }] : rest;
}

function discovered(
  { group, kind, plural, singular, shortNames, categories, namespaced }: ServedKind,
  version: string,
) {
  return {
    resource: plural,
    responseKind: { group, version, kind },
    scope: namespaced ? "Namespaced" : "Cluster",
    singularResource: singular,
    verbs: VERBS,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  };
}

/** A server without aggregated discovery lists versions only; one that is not served any more shows when asked for. */
function inGroupList(groups: z.infer<typeof groupList>["groups"], kind: ServedKind) {
  const group = groups.find(({ name }) => name === kind.group);
  const planned = kind.versions.map((version) => ({ groupVersion: `${kind.group}/${version}`, version }));
  const known = new Set(group?.versions.map(({ version }) => version));
  const versions = [...(group?.versions ?? []), ...planned.filter(({ version }) => !known.has(version))];
  if (versions.length === 0) return groups;
  return [
    ...groups.filter((one) => one !== group),
    { preferredVersion: versions[0], ...group, name: kind.group, versions },
  ];
}

function inVersion(groupVersion: string) {
  return (resources: z.infer<typeof resourceList>["resources"], kind: ServedKind) => {
    const [group, version = ""] = groupVersion.split("/");
    if (group !== kind.group) return resources;
    const others = resources.filter(({ name }) => name !== kind.plural && !name.startsWith(`${kind.plural}/`));
    if (!kind.versions.includes(version)) return others;
    const own = resources.filter((one) => !others.includes(one) && one.name !== kind.plural);
    const { plural, singular, kind: name, namespaced, shortNames, categories } = kind;
    const added = {
      name: plural,
      singularName: singular,
      namespaced,
      kind: name,
      verbs: VERBS,
      shortNames,
      categories,
    };
    return [...others, added, ...own];
  };
}

/** A CRD as it will be: the live one with what the upgrade sets; an API server's answer, as far as charts read it. */
export function plannedCrd(live: unknown, planned: KubeObject): object {
  if (!isMap(live))
    return { ...planned, status: { acceptedNames: dig(planned, "spec", "names"), conditions: [], storedVersions: [] } };
  const metadata = isMap(live["metadata"]) ? live["metadata"] : {};
  return {
    ...live,
    spec: planned["spec"],
    metadata: { ...metadata, labels: planned.metadata.labels, annotations: planned.metadata.annotations },
  };
}
