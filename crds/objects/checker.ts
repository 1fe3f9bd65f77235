import { isMap } from "../../kubernetes/objects";
import { CelRules } from "./cel";
import { applyDefaults, dropNulls } from "./defaults";
import { embeddedProblems } from "./embedded";
import { duplicateItems } from "./lists";
import { coerceEmbedded } from "./object-meta";
import { prune } from "./prune";
import { scaleProblems } from "./scale";
import { foldedPathOf, pathOf, type SchemaNode } from "./structural";
import { type ValueValidator, valueValidator } from "./values";

/** What a schema would do to an object. */
export interface CheckResult {
  /**
   * Why the API server would refuse to create the object as it is, or to write its wrong part (`status` through its
   * subresource). Kubernetes 1.30 and newer accept an update that leaves the wrong field alone (ratcheting), so an
   * object that exists stays until that field is written. Never with a value of the object.
   */
  rejected: string[];
  /** Paths of fields that are lost: `spec.apps[0].llmModel`. */
  pruned: string[];
  /** The same, each once, with places and map keys left out: `spec.apps[].llmModel`, `spec.limits.*.max`. */
  prunedFields: string[];
  /** Rules that could not be evaluated for this object here, by their place in the schema. */
  unchecked: string[];
}

export interface CustomResourceChecker {
  check: (object: object) => CheckResult;
}

export interface CheckerOptions {
  /** `spec.preserveUnknownFields` of the CRD: nothing is pruned. Default false. */
  keepsAll?: boolean;
  /** `subresources.scale` of the version. Default: none. */
  scale?: unknown;
}

/**
 * Compiles one version's schema of a CRD into what the API server does with an object of it, in its order: prune, fill
 * in defaults, validate values, embedded objects, lists and CEL rules (apiextensions-apiserver 1.34). Two things are
 * not modelled: the budget of a rule's costs, and whole numbers beyond 2^53, which JavaScript rounds.
 *
 * @param schema `openAPIV3Schema` of the version; anything but a map allows nothing, as in the server.
 */
export function compileSchema(
  schema: unknown,
  { keepsAll = false, scale }: CheckerOptions = {},
): CustomResourceChecker {
  const root: SchemaNode = isMap(schema) ? schema : {};
  // Many kinds have no object, and a large schema takes seconds.
  let compiled: { valuesOf: ValueValidator; cel: CelRules } | undefined;
  return {
    check(object) {
      const { valuesOf, cel } = (compiled ??= { valuesOf: valueValidator(root), cel: new CelRules(root) });
      const copy = structuredClone(object) as Record<string, unknown>;
      const lost = keepsAll ? [] : prune(copy, root);
      if (!keepsAll) dropNulls(copy, root);
      const coerced = coerceEmbedded(copy, root);
      applyDefaults(copy, root);
      const values = valuesOf(copy);
      const embedded = embeddedProblems(copy, root);
      const problems = [...coerced.malformed, ...values.problems, ...scaleProblems(copy, scale)];
      problems.push(...embedded.rejected, ...duplicateItems(copy, root));
      // On an object whose values are wrong a rule could only trip; the server leaves most of them out, too.
      const rules = problems.length === 0 ? cel.check(copy) : { rejected: [], unchecked: [] };
      const gone = [...lost, ...coerced.lost];
      return {
        rejected: [...new Set([...problems, ...rules.rejected])],
        pruned: gone.map(pathOf),
        prunedFields: [...new Set(gone.map(foldedPathOf))],
        unchecked: [...values.unchecked, ...embedded.unchecked, ...rules.unchecked],
      };
    },
  };
}
