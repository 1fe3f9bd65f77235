import { DEFAULT_SEVERITIES } from "../crds/compat/overrides";
import { type CrdRule, EXTRA_RULES, SHARED_RULES } from "../crds/compat/rules";

/** docs/crd-rules.md: every rule of the CRD comparison with its severity. */
export function crdRulesDocument(): string {
  return `<!-- Generated from crds/compat/rules.ts: node --import tsx scripts/config-table.ts -->

# Rules of the CRD comparison

Each CRD of the configured chart version is compared with the live one. A finding stops nothing by itself: it is a risk in
the review, and a policy can make it mandatory. What the API server refuses as a dry-run does stop the preview.

To give a rule another severity, for all CRDs or for some, for all fields or for some, say why:

\`\`\`yaml
config:
  casa-upgrade:crdRules:
    - rule: existingFieldRemoval
      crd: multiagentsystems.casa.io # "*" stands for any text; left out: all
      path: ^.spec.apps[*].llmModel # the same
      severity: none # error, warning or none
      reason: no client reads the field since 0.2
\`\`\`

Of several that fit, the most specific wins: first by path, then by CRD. The review shows the reason with the finding.

Where the configuration says nothing:

${DEFAULT_SEVERITIES.map(({ rule, severity, reason }) => `- \`${rule}\` is ${severity}: ${reason}`).join("\n")}

## Rules of crdify

With the names and verdicts of [crdify](https://github.com/kubernetes-sigs/crdify) in its default configuration; a
conformance test runs both over the same pairs of CRDs.

${table(SHARED_RULES)}

## Further rules

${table(EXTRA_RULES)}
`;
}

function table(rules: readonly CrdRule[]): string {
  const rows = rules.map(({ id, severity, description }) => `| \`${id}\` | ${severity} | ${description} |`);
  return ["| rule | severity | what it finds |", "|---|---|---|", ...rows].join("\n");
}
