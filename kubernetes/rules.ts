/** One thing that the upgrade must be allowed to do. */
export interface Permission {
  verb: string;
  /** API group; empty for the core one. */
  group: string;
  /** Plural resource name. */
  resource: string;
  /** Such as `log` of pods; undefined for the resource itself. */
  subresource?: string;
  /** Undefined for resources without a namespace, or for all namespaces. */
  namespace?: string;
  /** Undefined for every object. */
  name?: string;
}

/** A rule of a Role or ClusterRole. */
export interface PolicyRule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
  resourceNames?: string[];
}

/** Permissions as RBAC writes them: resources of a group that have the same verbs in one rule. */
export function ruleList(needed: readonly Permission[]): PolicyRule[] {
  const verbs = new Map<string, { group: string; resource: string; name?: string; verbs: string[] }>();
  for (const { group, resource, subresource, name, verb } of needed) {
    const named = subresource === undefined ? resource : `${resource}/${subresource}`;
    const key = JSON.stringify([group, named, name]);
    const found = verbs.get(key) ?? { group, resource: named, name, verbs: [] };
    if (!found.verbs.includes(verb)) found.verbs.push(verb);
    verbs.set(key, found);
  }
  const rules = new Map<string, PolicyRule>();
  for (const { group, resource, name, verbs: allowed } of verbs.values()) {
    const key = JSON.stringify([group, allowed, name === undefined ? "" : resource]);
    const rule = rules.get(key) ?? {
      apiGroups: [group],
      resources: [],
      verbs: allowed,
      ...(name === undefined ? {} : { resourceNames: [] }),
    };
    if (!rule.resources.includes(resource)) rule.resources.push(resource);
    if (name !== undefined && !rule.resourceNames?.includes(name)) rule.resourceNames?.push(name);
    rules.set(key, rule);
  }
  return [...rules.values()];
}
