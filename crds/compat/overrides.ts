import { distance } from "fastest-levenshtein";
import { z } from "zod";
import { type CrdFinding, crdFindingSchema } from "./finding";
import { EXTRA_RULES, SHARED_RULES } from "./rules";

const RULE_IDS: readonly string[] = [...SHARED_RULES, ...EXTRA_RULES].map(({ id }) => id);
const SEVERITIES = crdFindingSchema.shape.severity;

/**
 * What the configuration says of one rule: for which CRDs and fields, how serious, and why. In names and paths `*`
 * stands for any text.
 */
export const crdRuleOverride = z.strictObject({
  crd: z
    .string()
    .regex(/^[a-z0-9.*-]+$/, 'must be the name of a CRD, e.g. "multiagentsystems.casa.io" or "*.casa.io"')
    .optional()
    .meta({
      description: "name of the CRD, `*` standing for any text; all CRDs where it is not set",
      example: "multiagentsystems.casa.io",
      allowed: 'name of a CRD, "*" for any text',
    }),
  rule: z
    .string({ error: "must name a rule" })
    .refine((id) => RULE_IDS.includes(id), {
      error: ({ input }) =>
        `is not a rule: ${JSON.stringify(input)}; the nearest one is "${nearestRule(String(input))}"`,
    })
    .meta({ description: "id of the rule", example: "existingFieldRemoval", allowed: `one of ${RULE_IDS.join(", ")}` }),
  path: z
    .string()
    .regex(/^(\^|\*)/, 'must be a schema path, e.g. "^.spec.realm" or "^.spec.*"')
    .optional()
    .meta({
      description: "path of the field, `*` standing for any text; all fields where it is not set",
      example: "^.spec.realm",
      allowed: 'a path that begins with "^", "*" for any text',
    }),
  severity: z
    .enum(SEVERITIES.options, { error: "must be error, warning or none" })
    .meta({ description: "what a finding counts as", example: "none" }),
  reason: z
    .string({ error: "must say why" })
    .refine((text) => text.trim() !== "", { error: "must say why" })
    .meta({
      description: "why; the review shows it with each finding that it makes less serious",
      example: "no client reads the field",
      allowed: "a sentence",
    }),
});

export type CrdRuleOverride = z.infer<typeof crdRuleOverride>;

/**
 * What the review takes for granted unless the configuration says otherwise. crdify calls every finding an error in its
 * default configuration; a reviewer who meets errors for edited documentation stops reading errors.
 */
export const DEFAULT_SEVERITIES: readonly CrdRuleOverride[] = [
  { rule: "description", severity: "none", reason: "a description is documentation; no object changes by it" },
];

/** The known rule that was probably meant; the prefix of our own rules may be left out. */
function nearestRule(id: string): string {
  const off = (known: string) =>
    Math.min(...[known, known.replace("casa/", "")].map((name) => distance(name.toLowerCase(), id.toLowerCase())));
  return [...RULE_IDS].sort((a, b) => off(a) - off(b))[0] ?? "";
}

/**
 * Gives each finding the configured severity. Of several overrides that fit, the most specific wins: first the one that
 * names the path (a whole one before one with `*`, a longer one before a shorter one), then likewise the CRD; of equal
 * ones the last. A finding that gets less serious carries the reason in `accepted`.
 *
 * @param crd name of the CRD that the findings are about.
 */
export function applySeverities(
  crd: string,
  findings: readonly CrdFinding[],
  overrides: readonly CrdRuleOverride[],
): CrdFinding[] {
  return findings.map((found) => {
    const override = overrides
      .filter((one) => one.rule === found.rule && fits(one.crd, crd) && fits(one.path, found.path ?? ""))
      .reduce<CrdRuleOverride | undefined>((best, one) => (best && isMoreSpecific(best, one) ? best : one), undefined);
    if (!override) return found;
    const { severity, reason } = override;
    const isLower = SEVERITIES.options.indexOf(severity) > SEVERITIES.options.indexOf(found.severity);
    return { ...found, severity, ...(isLower ? { accepted: reason } : {}) };
  });
}

function fits(glob: string | undefined, text: string): boolean {
  if (glob === undefined) return true;
  const parts = glob.split("*").map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, "\\$&"));
  return new RegExp(`^${parts.join(".*")}$`, "s").test(text);
}

function isMoreSpecific(a: CrdRuleOverride, b: CrdRuleOverride): boolean {
  return (specificity(a.path) - specificity(b.path) || specificity(a.crd) - specificity(b.crd)) > 0;
}

/** Higher is more specific: nothing, a glob by the length of its fixed text, an exact name. */
function specificity(glob: string | undefined): number {
  if (glob === undefined) return -1;
  return glob.includes("*") ? glob.replaceAll("*", "").length : Number.MAX_SAFE_INTEGER;
}
