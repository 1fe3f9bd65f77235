import { CelRules } from "./cel";
import { applyDefaults } from "./defaults";
import { duplicateItems } from "./lists";
import { prune } from "./prune";
import type { SchemaNode } from "./structural";
import { valueValidator } from "./values";

/** What a schema would do to an object. */
export interface CheckResult {
  /**
   * Why the API server would refuse to create the object as it is. Kubernetes 1.30 and newer accept an update that leaves
   * the invalid field alone (ratcheting), so an object that exists stays until that field is written.
   */
  rejected: string[];
  /** Paths of fields that are lost. */
  pruned: string[];
  /** Rules that could not be evaluated here. */
  unchecked: string[];
}

export interface CustomResourceChecker {
  check: (object: Record<string, unknown>) => CheckResult;
}

/**
 * Compiles one version's schema of a CRD into what the API server does with an object of it, in its order: prune, fill in
 * defaults, validate values, lists and CEL rules (apiextensions-apiserver 1.34).
 *
 * @param keepsAll `spec.preserveUnknownFields`: nothing is pruned.
 */
export function compileSchema(schema: SchemaNode, keepsAll = false): CustomResourceChecker {
  const values = valueValidator(schema);
  const cel = new CelRules(schema);
  return {
    check(object) {
      const copy = structuredClone(object);
      const pruned = keepsAll ? [] : prune(copy, schema);
      applyDefaults(copy, schema);
      const problems = [...values.problems(copy), ...duplicateItems(copy, schema)];
      // The server runs rules only on objects whose values are right; on others they could only trip.
      const rules = problems.length === 0 ? cel.check(copy) : { rejected: [], unchecked: [] };
      return {
        rejected: [...problems, ...rules.rejected],
        pruned,
        unchecked: [...values.unchecked, ...rules.unchecked],
      };
    },
  };
}

/** A path with the places of list elements left out, for counting: `spec.apps[].model`. */
export function withoutIndices(path: string): string {
  return path.replace(/\[\d+\]/g, "[]");
}
