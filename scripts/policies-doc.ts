import type { Policies } from "@pulumi/policy";
import { allPolicies } from "../policies/all";
import { LIMITS, REASONS } from "../policies/rule";

const INTRODUCTION = `# Policies

<!-- Generated from policies/ by scripts/config-table.ts; do not edit. -->

\`policies/\` is a Pulumi policy pack that blocks unsafe upgrades of a CASA runtime, at preview:

\`\`\`
npx casa-upgrade plan                                  # enforces it by itself, as does casa-upgrade up
pulumi preview --policy-pack policies                  # with pulumi's own commands it must be named,
pulumi up --policy-pack policies                       # unless your organization enforces it for the stack
pulumi policy publish                                  # in policies/: for Pulumi Cloud
\`\`\`

With the embedded sandbox add \`-C sandbox\` and give the folder's full path.

A violation of a **mandatory** policy refuses the upgrade before anything is written: the facts come with \`casa-review\`, the first
resource of the program, and every other one waits for it. An **advisory** one is printed. Every message says what is wrong and on
which object, why it matters, the line that fixes it and, where that is allowed, the line that accepts it.

## Accepting a finding

\`\`\`
pulumi config set --path 'acknowledge.keycloak-highly-available' '2026-12-01 maintenance window CHG-4711'
\`\`\`

The date is the last day (UTC) on which it counts; afterwards the policy refuses again. The review names what is accepted, so whoever
approves the upgrade approves it, too. The pack limits how far ahead (\`acknowledgeDays\`, 30 by default; 0: not at all).

## Settings

Any policy's level and settings, in a JSON file:

\`\`\`
{
  "all": "mandatory",
  "image-registries": { "registries": ["registry.example.com/casa"] },
  "images-pinned": { "enforcementLevel": "mandatory", "digest": true },
  "keycloak-highly-available": { "acknowledgeDays": 7 },
  "values-known": "disabled"
}
\`\`\`

\`\`\`
npx casa-upgrade plan --policy-config policy-config.json
pulumi preview --policy-pack policies --policy-pack-config policy-config.json
\`\`\`

## What is not known

A policy that reads a value which only the update will know turns advisory in Pulumi, whatever its level. None of these does: the facts
of \`casa-review\` are plain values, and of a Release that another program defines an unknown value is a finding at the policy's own
level. \`test/unit/policies/policies.test.ts\` holds that for each.

## Releases of other programs

Programs that define the Release without CasaUpgrade are judged by what its inputs say; a chart counts as a CASA runtime by its name
(setting \`charts\`). What a policy cannot see there is in the table, and \`casa-release-reviewed\` says so in each preview. Such a finding
is accepted in the pack's settings: \`{"keycloak-highly-available": {"acknowledge": {"casa": "2026-12-01 window"}}}\`.

\`crds-before-chart\` looks at the order of a whole program. Pulumi runs such policies at the end: a preview is refused, an \`up\`
that nobody previewed only after the fact. \`casa-upgrade up\` always previews first.

[policies-results.md](policies-results.md) holds what each one said of a safe and of an unsafe stack on the real engine.
`;

/** docs/policies.md, from the policies as they are. */
export function policiesDocument(): string {
  return [INTRODUCTION, "## All policies", "", ...allPolicies.map(section)].join("\n");
}

function section({ name, description, enforcementLevel, configSchema }: Policies[number]): string {
  const { acknowledge, acknowledgeDays: _days, charts: _charts, ...settings } = configSchema?.properties ?? {};
  const reason = REASONS.get(name);
  const cannot = LIMITS.get(name);
  return [
    `### ${name} (${enforcementLevel ?? "advisory"})`,
    "",
    description,
    ...(reason === undefined ? [] : [`Why: ${reason}.`]),
    "",
    `- May be accepted until a day: ${acknowledge ? "yes" : "no"}`,
    ...Object.entries(settings).map(
      ([key, { description: meaning = "", default: value }]) =>
        `- Setting \`${key}\` (${JSON.stringify(value)}): ${meaning}`,
    ),
    ...(cannot === undefined ? [] : [`- Of a Release by another program it cannot judge: ${cannot}`]),
    "",
  ].join("\n");
}
