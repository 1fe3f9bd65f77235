import { migrate } from "../../components/custom-resource-migration/migrate";
import { type CrMigration, stepsOf } from "../../components/custom-resource-migration/plan";
import type { Step } from "../../components/custom-resource-migration/rules";
import type { CustomResourceChecker } from "../../crds/objects/checker";
import { groupOf, type KubeObject } from "../../kubernetes/objects";
import type { CrdReview, CustomResourceFinding } from "../report/schema";

/** Objects named in a review; the others are counted. */
const MOST_EXAMPLES = 20;
/** Lost fields that are named; of more, a schema without structure may have any number. */
const MOST_FIELDS = 200;
const OTHER_FIELDS = "(other fields)";

type Findings = CrdReview["customResources"];

/** What becomes of the objects, and what the rules of a migration do to them before. */
export interface CustomResourcesReview {
  findings: Findings;
  /** Objects that each rule changes, in the order of the rules, and objects that any does. */
  changedBy: number[];
  changed: number;
}

/** Keeps figures and a few examples; never an object. */
export class Collector {
  private total = 0;
  private rejected = 0;
  private pruned = 0;
  private readonly rejectedExamples: CustomResourceFinding[] = [];
  private readonly prunedExamples: CustomResourceFinding[] = [];
  private readonly fields = new Map<string, number>();
  private readonly unchecked: Set<string>;
  private readonly steps: readonly Step[];
  private readonly changedBy: number[];
  private changed = 0;

  constructor(
    unchecked: readonly string[],
    private readonly migration: CrMigration | undefined,
  ) {
    this.unchecked = new Set(unchecked);
    this.steps = migration ? stepsOf(migration) : [];
    this.changedBy = this.steps.map(() => 0);
  }

  add(read: KubeObject, checkers: ReadonlyMap<string, CustomResourceChecker>): void {
    this.total++;
    const { object, problems } = this.migrated(read);
    const rejected = new Set<string>(problems);
    const pruned = new Set<string>();
    const fields = new Set<string>();
    for (const [version, checker] of checkers) {
      const result = checker.check(object);
      for (const text of result.rejected) rejected.add(checkers.size > 1 ? `as ${version}: ${text}` : text);
      for (const path of result.pruned) pruned.add(path);
      for (const path of result.prunedFields) fields.add(path);
      for (const text of result.unchecked) this.unchecked.add(text);
    }
    if (rejected.size + pruned.size === 0) return;
    if (rejected.size > 0) this.rejected++;
    if (pruned.size > 0) this.pruned++;
    this.countFields(fields);
    const { namespace, name = "" } = read.metadata;
    const examples = rejected.size > 0 ? this.rejectedExamples : this.prunedExamples;
    if (examples.length >= MOST_EXAMPLES) return;
    const id = namespace === undefined ? name : `${namespace}/${name}`;
    examples.push({ object: id, rejected: [...rejected], pruned: [...pruned] });
  }

  private migrated(read: KubeObject): { object: object; problems: string[] } {
    if (!this.migration) return { object: read, problems: [] };
    const { object, applied, problems } = migrate(read, this.steps);
    if (applied.length > 0) this.changed++;
    for (const i of applied) this.changedBy[i] = (this.changedBy[i] ?? 0) + 1;
    const group = groupOf(read.apiVersion);
    return { object: { ...object, apiVersion: `${group}/${this.migration.to}` }, problems };
  }

  private countFields(paths: ReadonlySet<string>): void {
    const named = [...paths].map((path) =>
      this.fields.has(path) || this.fields.size < MOST_FIELDS ? path : OTHER_FIELDS,
    );
    for (const path of new Set(named)) this.fields.set(path, (this.fields.get(path) ?? 0) + 1);
  }

  findings(): CustomResourcesReview {
    const byName = ([a]: [string, number], [b]: [string, number]) => (a < b ? -1 : 1);
    const findings = {
      total: this.total,
      rejected: this.rejected,
      pruned: this.pruned,
      unchecked: this.total > 0 ? [...this.unchecked].sort() : [],
      examples: [...this.rejectedExamples, ...this.prunedExamples].slice(0, MOST_EXAMPLES),
      prunedFields: [...this.fields].sort(byName).map(([path, objects]) => ({ path, objects })),
    };
    return { findings, changedBy: this.changedBy, changed: this.changed };
  }
}
