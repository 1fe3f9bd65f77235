import { z } from "zod";
import { overlap, parsePath, PathError, pathText, samePath, type Segment, splitAtWildcard } from "./paths";

const path = z
  .string()
  .min(1)
  .superRefine((text, context) => {
    try {
      parsePath(text);
    } catch (error) {
      if (!(error instanceof PathError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
    }
  });
const version = z.string().regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/, "must be an API version such as v1alpha1");
/** What happens where an object has a value at both places. Default: it is refused. */
const ifBoth = z.enum(["keepTarget", "overwrite"]).optional();

const ruleForms = z.strictObject({
  /** Gives a field another name, in the same place. */
  rename: z
    .strictObject({ path, to: z.string().regex(/^[A-Za-z0-9_-]+$/, "must be a field's name"), ifBoth })
    .optional(),
  /** Moves a value elsewhere in the object; maps on the way are made, ones that it leaves empty are taken away. */
  move: z.strictObject({ from: path, to: path, ifBoth }).optional(),
  /** Drops a value, knowingly. */
  remove: z.strictObject({ path, reason: z.string().min(1, "must say why the data may be lost") }).optional(),
  /** Sets a value where there is none. */
  default: z.strictObject({ path, value: z.json() }).optional(),
});

/** One rule of a migration; exactly one form. */
export const migrationRule = ruleForms.refine(
  (rule) => Object.values(rule).filter((form) => form !== undefined).length === 1,
  {
    error: "must be exactly one of rename, move, remove and default",
  },
);

/** How the objects of one CRD get from one version's schema to another one's. Both may be the same version. */
export const migrationEntry = z.strictObject({
  crd: z
    .string()
    .regex(/^[a-z0-9][-a-z0-9.]*\.[-a-z0-9.]+$/, "must be the name of a CRD such as multiagentsystems.casa.io"),
  from: version,
  to: version,
  rules: z.array(migrationRule).default([]),
});

/** The whole file. */
export const migrationFile = z.strictObject({ migrations: z.array(migrationEntry) });

export type MigrationRule = z.infer<typeof migrationRule>;
export type MigrationEntry = z.infer<typeof migrationEntry>;

/** What a rule does. */
export const ruleForm = z.enum(["rename", "move", "remove", "default"]);
export type RuleForm = z.infer<typeof ruleForm>;

/** A rule in one form, its paths parsed. */
export interface Step {
  readonly form: RuleForm;
  /** What is taken away there, and with a `to` put elsewhere. */
  readonly from?: readonly Segment[];
  readonly to?: readonly Segment[];
  /** Put at `to` where nothing is. */
  readonly value?: unknown;
  readonly ifBoth?: "keepTarget" | "overwrite";
  readonly text: string;
}

/** The rule as the machine takes it. */
export function stepOf(rule: MigrationRule): Step {
  if (rule.rename) {
    const from = parsePath(rule.rename.path);
    const to: Segment[] = [...from.slice(0, -1), { kind: "field", name: rule.rename.to }];
    return {
      form: "rename",
      from,
      to,
      ifBoth: rule.rename.ifBoth,
      text: `rename ${pathText(from)} to ${rule.rename.to}`,
    };
  }
  if (rule.move) {
    const [from, to] = [parsePath(rule.move.from), parsePath(rule.move.to)];
    return { form: "move", from, to, ifBoth: rule.move.ifBoth, text: `move ${pathText(from)} to ${pathText(to)}` };
  }
  if (rule.remove) {
    const from = parsePath(rule.remove.path);
    return { form: "remove", from, text: `remove ${pathText(from)}: ${rule.remove.reason}` };
  }
  const { path: at = "", value } = rule.default ?? {};
  const to = parsePath(at);
  return { form: "default", to, value, text: `default ${pathText(to)}` };
}

/**
 * What is wrong with rules that are applied together, in words. Applying them twice must be the same as once, because a
 * migration that was killed is begun again: so nothing may be taken from where another rule puts something.
 */
export function rulesProblems(rules: readonly MigrationRule[]): string[] {
  const steps = rules.map(stepOf);
  return steps.flatMap((step, i) => [
    ...placeProblems(step),
    ...steps.flatMap((other, j) => {
      if (step.from && other.to && overlap(step.from, other.to)) {
        const same = i === j ? "takes from where it puts" : `takes from where "${other.text}" puts`;
        return [
          `"${step.text}" ${same}; applied twice it would do something else: move through another field, in two upgrades`,
        ];
      }
      const bothPut = j > i && step.from && other.from && step.to && other.to;
      return bothPut && overlap(step.to, other.to)
        ? [`"${step.text}" and "${other.text}" put into the same place`]
        : [];
    }),
  ]);
}

function placeProblems({ from, to, text }: Step): string[] {
  const last = (from ?? to)?.at(-1);
  if (to?.at(-1)?.kind === "items" || to?.at(-1)?.kind === "values") return [`"${text}" must end with a field`];
  if (from && to && last?.kind !== "field") return [`"${text}" must take a field`];
  if (last?.kind === "items") return [`"${text}" must end with a field, or with * of a map`];
  if (!from || !to) return [];
  const [taken, put] = [splitAtWildcard(from).through, splitAtWildcard(to).through];
  const fits = samePath(put, from.slice(0, put.length)) && wildcards(put) === wildcards(taken);
  return fits ? [] : [`"${text}" must go through the same lists and maps on both sides`];
}

const wildcards = (path: readonly Segment[]) => path.filter(({ kind }) => kind !== "field").length;
