import type { Crd } from "../plan/crds";
import { compileSchema, type CustomResourceChecker, withoutIndices } from "../plan/custom-resources/checker";
import { versionSchema } from "../plan/custom-resources/structural";
import { dig, kubeObject, type KubeObject } from "../plan/objects";
import type { CrdReview, CustomResourceFinding } from "../plan/review/schema";
import { ApiError } from "./api";
import type { ClusterClient } from "./connect";
import { PreflightError } from "./problem";

type Findings = CrdReview["customResources"];

/** Objects named in a review; the others are counted. */
const MOST_EXAMPLES = 20;
/** How often a list is begun anew when it took so long that its rest expired. */
const ATTEMPTS = 3;

/**
 * Checks every custom resource against the CRD that is about to be applied, page by page: only what is found is kept.
 *
 * What is read has been pruned by the present schema already, so whatever is pruned here is lost by the new one.
 *
 * @throws PreflightError when the objects may not be listed.
 */
export async function reviewCustomResources(client: ClusterClient, next: Crd, live: Crd): Promise<Findings> {
  const version = readableVersion(live, next);
  if (version === undefined) return nothing(["the live CRD serves no version, so its objects cannot be read"]);
  const { checkers, unchecked } = checkersFor(version, next);
  const type = { apiVersion: `${live.spec.group}/${version}`, kind: live.spec.names.kind };
  for (let attempt = 1; ; attempt++) {
    const collected = new Collector(unchecked);
    try {
      await client.api.eachPage(type, undefined, {}, (items) => {
        for (const item of items) collected.add(kubeObject.parse({ ...item, ...type }), checkers);
      });
      return collected.findings();
    } catch (error) {
      if (error instanceof ApiError && error.code === 410 && attempt < ATTEMPTS) continue;
      throw notAllowed(error, next.metadata.name);
    }
  }
}

/** The version to read objects in: one that both CRDs have, the stored one first. */
function readableVersion(live: Crd, next: Crd): string | undefined {
  const served = live.spec.versions.filter((version) => version.served);
  const kept = served.filter(({ name }) => next.spec.versions.some((version) => version.name === name));
  return (kept.find(({ storage }) => storage) ?? kept[0] ?? served.find(({ storage }) => storage) ?? served[0])?.name;
}

/** What objects are checked against: the version they are read in, and the one they will be stored in. */
function checkersFor(version: string, next: Crd): { checkers: [string, CustomResourceChecker][]; unchecked: string[] } {
  const unchecked: string[] = [];
  const keepsAll = dig(next.spec, "preserveUnknownFields") === true;
  const stored = next.spec.versions.find(({ storage }) => storage)?.name ?? version;
  const converts = next.spec.conversion?.strategy === "Webhook";
  const known = next.spec.versions.some(({ name }) => name === version);
  if (!known) unchecked.push(`version ${version}, in which the objects can be read, is gone from the new CRD`);
  if (converts && stored !== version) unchecked.push(`what the conversion webhook makes of the objects in ${stored}`);
  const others = next.spec.versions.filter((one) => one.served && one.name !== version && one.name !== stored);
  if (others.length > 0) unchecked.push(`the objects as versions ${others.map(({ name }) => name).join(", ")}`);
  // Without a webhook a version is only another name, and the stored version's schema decides what is kept.
  const names = new Set([...(known ? [version] : []), ...(converts && known ? [] : [stored])]);
  const checkers = [...names].flatMap((name): [string, CustomResourceChecker][] => {
    const schema = versionSchema(next, name);
    return schema ? [[name, compileSchema(schema, keepsAll)]] : [];
  });
  return { checkers, unchecked };
}

/** Keeps figures and a few examples; never an object. */
class Collector {
  private total = 0;
  private rejected = 0;
  private pruned = 0;
  private readonly rejectedExamples: CustomResourceFinding[] = [];
  private readonly prunedExamples: CustomResourceFinding[] = [];
  private readonly fields = new Map<string, number>();
  private readonly unchecked: Set<string>;

  constructor(unchecked: readonly string[]) {
    this.unchecked = new Set(unchecked);
  }

  add(object: KubeObject, checkers: readonly [string, CustomResourceChecker][]): void {
    this.total++;
    const rejected = new Set<string>();
    const pruned = new Set<string>();
    for (const [, checker] of checkers) {
      const result = checker.check(object);
      result.rejected.forEach((text) => rejected.add(text));
      result.pruned.forEach((path) => pruned.add(path));
      result.unchecked.forEach((text) => this.unchecked.add(text));
    }
    if (rejected.size + pruned.size === 0) return;
    if (rejected.size > 0) this.rejected++;
    if (pruned.size > 0) this.pruned++;
    for (const path of new Set([...pruned].map(withoutIndices)))
      this.fields.set(path, (this.fields.get(path) ?? 0) + 1);
    const { namespace, name = "" } = object.metadata;
    const examples = rejected.size > 0 ? this.rejectedExamples : this.prunedExamples;
    if (examples.length >= MOST_EXAMPLES) return;
    const id = namespace === undefined ? name : `${namespace}/${name}`;
    examples.push({ object: id, rejected: [...rejected], pruned: [...pruned] });
  }

  findings(): Findings {
    const byName = ([a]: [string, number], [b]: [string, number]) => (a < b ? -1 : 1);
    return {
      total: this.total,
      rejected: this.rejected,
      pruned: this.pruned,
      unchecked: this.total > 0 ? [...this.unchecked].sort() : [],
      examples: [...this.rejectedExamples, ...this.prunedExamples].slice(0, MOST_EXAMPLES),
      prunedFields: [...this.fields].sort(byName).map(([path, objects]) => ({ path, objects })),
    };
  }
}

function nothing(unchecked: string[]): Findings {
  return { total: 0, rejected: 0, pruned: 0, unchecked, examples: [], prunedFields: [] };
}

function notAllowed(error: unknown, crd: string): unknown {
  if (!(error instanceof ApiError) || error.code !== 403) return error;
  return new PreflightError(
    `missing permission: ${crd} objects may not be listed in all namespaces, so nobody can say what the new CRD does to them: ${error.message}`,
    `let the user list ${crd} in all namespaces, or use a context that may`,
  );
}
