import { UserError } from "../../../shared/user-error";
import { migrate, type Migrated } from "../migrate";
import type { Step } from "../rules";
import type { Crd } from "../../../crds/crds";
import { checkerOf } from "../../../crds/objects/crd-checker";

import { nameOf, type StoredObject } from "./objects";

/** Objects named in an error; the others are counted. */
const MOST_NAMED = 5;

/** Migrates objects and collects why some cannot be, or would lose something that no rule mentions. */
export class Fitter {
  private readonly check: (object: object) => string[];
  private readonly problems: string[] = [];
  private failed = 0;

  constructor(
    private readonly crd: Crd,
    private readonly to: string,
    private readonly steps: readonly Step[],
  ) {
    const checker = checkerOf(crd, to);
    this.check = (object) => {
      const { pruned, rejected } = checker.check(object);
      return [...pruned.map((path) => `loses ${path}, which no rule mentions`), ...rejected];
    };
  }

  /** The object in its new form; undefined when it does not fit, which {@link refuse} tells. */
  fit(object: StoredObject): Migrated | undefined {
    const result = migrate(object, this.steps);
    const apiVersion = `${this.crd.spec.group}/${this.to}`;
    const problems = result.problems.length > 0 ? result.problems : this.check({ ...result.object, apiVersion });
    if (problems.length === 0) return result;
    this.failed++;
    if (this.problems.length < MOST_NAMED) this.problems.push(`    ${nameOf(object)}: ${problems.join("; ")}`);
    return undefined;
  }

  /** Forgets what it collected: the list is begun anew. */
  reset(): void {
    this.failed = 0;
    this.problems.length = 0;
  }

  /** @throws UserError when an object did not fit. */
  refuse(): void {
    if (this.failed === 0) return;
    const more = this.failed > this.problems.length ? `\n    and ${this.failed - this.problems.length} more` : "";
    throw new UserError(
      "custom-resource-migration",
      `${this.failed} objects of CRD ${this.crd.metadata.name} cannot go to ${this.to}:\n${this.problems.join("\n")}${more}`,
      "add rules for these fields to the file (customResourceMigrations), or correct the objects; then: pulumi up",
    );
  }
}
