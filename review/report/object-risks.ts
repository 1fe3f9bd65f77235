import { rankRisks, type RiskSections } from "./risks";
import type { ObjectChange, Review, Risk } from "./schema";
import { objectName } from "./words";

const NO_RESTARTS: Review["restarts"] = {
  enabled: true,
  maxConcurrent: 0,
  groups: [],
  skipped: [],
  estimate: { seconds: 0, worstSeconds: 0, basis: "" },
};

/** The risks of a review that come from one object alone, the worst first; the same rules as for the whole. */
export function risksByObject(review: Review): (object: ObjectChange) => Risk[] {
  const rolls = groupBy(review.rolls, ({ workload }) => workload);
  const images = groupBy(review.images, ({ workload }) => workload);
  const databases = groupBy(review.databases, ({ workload }) => workload);
  const keycloak = groupBy(review.keycloak, ({ workload }) => workload);
  const claims = groupBy(review.claims, ({ namespace, name }) => `${namespace}/${name}`);
  const crds = groupBy(review.crds, ({ name }) => name);
  const refusals = groupBy(review.refusals, ({ object }) => object);
  const { distance } = review.breaking;
  return (object) => {
    const { kind, namespace, name } = object;
    const workload = `${kind}/${namespace ?? ""}/${name}`;
    const sections: RiskSections = {
      objects: [object],
      rolls: rolls(workload),
      images: images(workload),
      databases: databases(workload),
      keycloak: keycloak(workload),
      contents: review.contents?.filter((one) => one.kind === kind && one.name === name),
      claims: kind === "PersistentVolumeClaim" ? claims(`${namespace ?? ""}/${name}`) : [],
      crds: kind === "CustomResourceDefinition" ? crds(name) : [],
      refusals: refusals(objectName(object)),
      breaking: { distance: { ...distance, kind: "none", skipped: [] }, values: [], notes: [] },
      restarts: NO_RESTARTS,
    };
    return rankRisks(sections);
  };
}

function groupBy<T>(items: readonly T[], key: (item: T) => string): (key: string) => T[] {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const id = key(item);
    const group = groups.get(id);
    if (group) group.push(item);
    else groups.set(id, [item]);
  }
  return (id) => groups.get(id) ?? [];
}
