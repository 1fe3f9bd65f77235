import type { PolicyConfigSchema, ResourceValidationArgs, ResourceValidationPolicy } from "@pulumi/policy";
import { z } from "zod";
import { acknowledged, type AcknowledgeConfig } from "./acknowledge";
import { acknowledgements } from "./facts";
import { CHARTS, type Release, releaseOf } from "./release";
import { isUnknownValue, known } from "./unknown";

/** Type of the resource that carries the facts of an upgrade by casa-upgrade. */
export const REVIEW_TYPE = "pulumi-nodejs:dynamic/casa-upgrade:UpgradeReview";

/** One thing that breaks a rule. */
export interface Finding {
  /** What is wrong, and on which object. */
  what: string;
  /** The line that puts it right. */
  fix: string;
}

type Acknowledgements = z.infer<typeof acknowledgements>;
type Properties = PolicyConfigSchema["properties"];

/** A rule as it is written; {@link policyOf} makes the policy of it. */
export interface Rule<Config extends object = object> {
  readonly name: string;
  readonly description: string;
  readonly enforcementLevel: "advisory" | "mandatory";
  /** Why it matters, as a sentence that every message carries. */
  readonly why: string;
  /** Whether the stack may accept a finding for a time. Default: no. */
  readonly acknowledge?: boolean;
  /** Settings beside those that every policy has. */
  readonly properties?: Properties;
  /** Judges an upgrade by casa-upgrade. Reads only what it needs: what it reads must be known. */
  readonly review?: (review: ReviewProps, config: Config) => Finding[];
  /** Judges a CASA Release that another program defines. */
  readonly release?: (release: Release, config: Config) => Finding[];
  /** Why such a Release cannot be judged, or not wholly. */
  readonly cannot?: string;
}

/** The properties of `casa-review`; every access checks that the value is known. */
export type ReviewProps = Readonly<Record<string, unknown>>;

const ACKNOWLEDGE: Properties = {
  acknowledgeDays: {
    type: "integer",
    minimum: 0,
    default: 30,
    description: "how many days ahead a finding may be acknowledged; 0: not at all",
  },
  acknowledge: {
    type: "object",
    additionalProperties: { type: "string" },
    default: {},
    description:
      "for Releases of programs without CasaUpgrade: release name to `YYYY-MM-DD reason`, by which a finding is accepted " +
      "until that day. With CasaUpgrade it is the stack's own config that says so",
  },
};

/**
 * What each policy cannot judge of a Release that casa-upgrade does not define; empty for one that judges it wholly.
 */
export const LIMITS = new Map<string, string>();

/** Why each policy matters, for the documentation. */
export const REASONS = new Map<string, string>();

/**
 * The policy of a rule: as it is written, with acknowledgement, and without ever turning advisory over an unknown
 * value.
 */
export function policyOf<Config extends object>(rule: Rule<Config>): ResourceValidationPolicy {
  REASONS.set(rule.name, rule.why);
  if (rule.cannot !== undefined) LIMITS.set(rule.name, rule.cannot);
  return {
    name: rule.name,
    description: rule.description,
    enforcementLevel: rule.enforcementLevel,
    configSchema: {
      properties: { ...rule.properties, ...CHARTS, ...(rule.acknowledge ? ACKNOWLEDGE : {}) },
    },
    validateResource: (args, report) => {
      for (const message of messages(rule, args)) report(message);
    },
  };
}

function messages<Config extends object>(rule: Rule<Config>, args: ResourceValidationArgs): string[] {
  const config = args.getConfig<Config & { charts: string[] } & AcknowledgeConfig>();
  if (args.type === REVIEW_TYPE) {
    if (!rule.review) args.notApplicable("it has nothing to say about an upgrade by casa-upgrade");
    const findings = judged(rule, () => rule.review?.(args.props, config) ?? []);
    if (findings.length === 0) return [];
    const given = known(() => acknowledgements.parse(args.props["acknowledgements"])) ?? [];
    return explain(rule, findings, stateOf(rule, given, config), stackLine(rule.name));
  }
  const release = releaseOf(args, config.charts);
  if (!release) return [];
  if (!rule.release) args.notApplicable(rule.cannot ?? "it needs the facts that only CasaUpgrade has");
  const findings = judged(rule, () => rule.release?.(release, config) ?? []);
  const text = rule.acknowledge ? config.acknowledge[release.name] : undefined;
  const given = entryOf(rule.name, text);
  return explain(rule, findings, stateOf(rule, given, config), packLine(rule.name, release.name));
}

/** Rules that nobody may accept have no settings for it, either. */
function stateOf(rule: Pick<Rule, "name" | "acknowledge">, given: Acknowledgements, config: AcknowledgeConfig) {
  return rule.acknowledge ? acknowledged(rule.name, given, config) : { accepted: false };
}

/** An unknown value is a finding like any other: a rule that cannot look has not passed. */
function judged<Config extends object>(rule: Rule<Config>, judge: () => Finding[]): Finding[] {
  try {
    return judge();
  } catch (error) {
    if (isUnknownValue(error)) {
      return [
        {
          what: `${rule.name} cannot be judged: ${error.message}`,
          fix: "give the value as plain config instead of another resource's output",
        },
      ];
    }
    if (error instanceof z.ZodError) {
      const issue = error.issues[0];
      return [
        {
          what:
            `${rule.name} cannot be judged: the facts of the review have another form than this pack reads ` +
            `(${issue?.path.join(".") ?? ""}: ${issue?.message ?? "invalid"})`,
          fix: "use program and policy pack of the same version",
        },
      ];
    }
    throw error;
  }
}

function explain(
  rule: Pick<Rule, "why" | "acknowledge">,
  findings: readonly Finding[],
  state: { accepted: boolean; note?: string },
  line: string,
): string[] {
  if (state.accepted) return [];
  const accept = rule.acknowledge ? `\n  Or accept it until a day: ${line}` : "";
  const note = state.note ? `\n  ${state.note}` : "";
  // Findings that one line puts right are one message: a chart with ten moving tags is not ten pages.
  return [...new Set(findings.map(({ fix }) => fix))].map((fix) => {
    const whats = findings.filter((finding) => finding.fix === fix).map(({ what }) => what);
    return messageOf({ what: whats.join(".\n"), fix }, rule.why) + accept + note;
  });
}

/** What every message says: what is wrong, why it matters, what puts it right. */
export function messageOf({ what, fix }: Finding, why: string): string {
  return `${what}.\n  Why it matters: ${why}.\n  Fix: ${fix}`;
}

const stackLine = (policy: string) => `pulumi config set --path 'acknowledge.${policy}' '<YYYY-MM-DD> <reason>'`;
const packLine = (policy: string, release: string) =>
  `in the policy pack's config: {"${policy}": {"acknowledge": {"${release}": "<YYYY-MM-DD> <reason>"}}}`;

function entryOf(policy: string, text: string | undefined) {
  const [, until, reason] = /^(\d{4}-\d{2}-\d{2}):?\s+(\S.*)$/s.exec(text ?? "") ?? [];
  return until === undefined || reason === undefined ? [] : [{ policy, until, reason }];
}
