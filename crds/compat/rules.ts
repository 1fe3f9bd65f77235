import type { CrdFinding } from "./finding";

/** What the comparison of two CRDs looks for, as the documentation lists it. */
export interface CrdRule<Id extends RuleId = RuleId> {
  id: Id;
  /** How serious a finding is where the configuration says nothing else. */
  severity: "error" | "warning";
  /** One sentence. */
  description: string;
}

// Names, meaning and severity are those of kubernetes-sigs/crdify 0.6.0 in its default configuration, where every
// finding is an error; test/conformance/crdify.test.ts holds the two together.
const SHARED = {
  scope: "The scope changes between Namespaced and Cluster.",
  existingFieldRemoval: "A field of an API version is no longer in its schema.",
  storedVersionRemoval: "A version that objects may be stored in (status.storedVersions) is gone.",
  type: "The type of a field changes.",
  enum: "A list of allowed values is new, or values come to it or go from it.",
  required: "A field that could be left out must be set.",
  default: "A default value is new, changed or gone.",
  nullable: "null becomes allowed or forbidden.",
  pattern: "A pattern for text is new, changed or gone.",
  description: "The description of a field changes, and with it perhaps the meaning.",
  maximum: "The largest allowed number is new or lower.",
  minimum: "The smallest allowed number is new or higher.",
  maxLength: "The greatest length of text is new or lower.",
  minLength: "The least length of text is new or higher.",
  maxItems: "The greatest number of list elements is new or lower.",
  minItems: "The least number of list elements is new or higher.",
  maxProperties: "The greatest number of map entries is new or lower.",
  minProperties: "The least number of map entries is new or higher.",
  unhandled: "Anything else of a field's schema changes: format, title, x-kubernetes-… and nested combinations.",
} as const;

const EXTRA = {
  "casa/celRuleAdded": ["error", "A CEL rule (x-kubernetes-validations) is new on a field that exists already."],
  "casa/celRuleChanged": ["error", "A CEL rule (x-kubernetes-validations) has another expression."],
  "casa/servedVersionRemoval": ["error", "A version that clients can use now is no longer served."],
  "casa/storageVersionChange": ["warning", "Objects are stored in another version from their next write on."],
  "casa/listTypeChange": ["error", "x-kubernetes-list-type changes: other elements count as the same one."],
  "casa/listMapKeysChange": ["error", "x-kubernetes-list-map-keys changes: other elements count as the same one."],
  "casa/mapTypeChange": ["warning", "x-kubernetes-map-type changes, and with it who owns what in server-side apply."],
  "casa/pruningEnabled": ["error", "Fields that the schema does not name were kept, and are pruned from now on."],
  "casa/additionalPropertiesRemoval": ["error", "A map with free keys becomes one with none: its entries are pruned."],
  "casa/intOrStringRemoval": ["error", "A field that takes numbers and text no longer takes both."],
  "casa/conversionWithoutWebhook": ["error", "Nothing converts objects between versions, although a webhook did."],
  "casa/namesChange": ["error", "Group, kind or plural name changes; the API server never allows that."],
  "casa/statusSubresourceRemoval": ["error", "The status subresource goes: controllers can no longer write status."],
  "casa/scaleSubresourceRemoval": ["error", "The scale subresource goes: autoscalers and `kubectl scale` fail."],
  "casa/requiredPropertyAdded": ["error", "A new field is required and has no default: no existing object has it."],
} as const satisfies Record<`casa/${string}`, readonly ["error" | "warning", string]>;

export type SharedRuleId = keyof typeof SHARED;
export type ExtraRuleId = keyof typeof EXTRA;
export type RuleId = SharedRuleId | ExtraRuleId;

/** The rules of crdify, by crdify's names. */
export const SHARED_RULES: readonly CrdRule<SharedRuleId>[] = (Object.keys(SHARED) as SharedRuleId[]).map((id) => ({
  id,
  severity: "error",
  description: SHARED[id],
}));

/** The rules that crdify does not have; their ids begin with `casa/`. */
export const EXTRA_RULES: readonly CrdRule<ExtraRuleId>[] = (Object.keys(EXTRA) as ExtraRuleId[]).map((id) => {
  const [severity, description] = EXTRA[id];
  return { id, severity, description };
});

const SEVERITIES = new Map<RuleId, CrdRule["severity"]>(
  [...SHARED_RULES, ...EXTRA_RULES].map(({ id, severity }) => [id, severity]),
);

/** Something that a rule found: what it is about and the values, or a whole statement without values. */
export interface Change {
  words: string;
  before?: unknown;
  after?: unknown;
}

/** How much of a value a text shows, in characters. */
const LONGEST_VALUE = 120;

/** A finding with the rule's own severity. */
export function finding(rule: RuleId, change: Change, at: { version?: string; path?: string } = {}): CrdFinding {
  return { rule, severity: SEVERITIES.get(rule) ?? "error", ...at, text: changeText(change) };
}

function changeText({ words, before, after }: Change): string {
  if (before === undefined && after === undefined) return words;
  const [older, newer] = excerpts(JSON.stringify(before), JSON.stringify(after));
  if (older === undefined) return `${words}: ${newer} is new`;
  return newer === undefined ? `${words}: ${older} is removed` : `${words}: ${older} becomes ${newer}`;
}

/** Long texts are shown from a little before the place where they begin to differ. */
function excerpts(before: string | undefined, after: string | undefined): (string | undefined)[] {
  const texts = [before, after];
  const isLong = texts.some((text) => text !== undefined && text.length > LONGEST_VALUE);
  let from = 0;
  if (isLong && before !== undefined && after !== undefined) {
    while (from < before.length && before[from] === after[from]) from += 1;
    from = Math.max(0, from - LONGEST_VALUE / 3);
  }
  return texts.map((text) => {
    if (text === undefined) return undefined;
    const end = from + LONGEST_VALUE;
    return `${from > 0 ? "…" : ""}${text.slice(from, end)}${end < text.length ? "…" : ""}`;
  });
}
