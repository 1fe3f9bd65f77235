import type { PolicyResource, StackValidationPolicy } from "@pulumi/policy";
import { z } from "zod";
import { crds } from "./facts";
import { CHARTS, isOurs, isRuntimeChart, RELEASE_TYPE } from "./release";
import { type Finding, messageOf, policyOf, REVIEW_TYPE } from "./rule";

const CRD_TYPE = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition";
const SET_TYPE = "casa-upgrade:index:CrdSet";

/** A schema that existing objects do not fit shows only when they are next written. */
export const crdsCompatible = policyOf({
  name: "crds-compatible",
  description:
    "A CRD may not change in a way that breaks clients or existing custom resources, unless that is acknowledged.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "helm cannot roll a CRD back, fields that the new schema does not know are lost when an object is next written",
  review: (review) =>
    crds.parse(review["crds"]).flatMap(({ name, findings, customResources }): Finding[] => {
      const { total, rejected, pruned, examples } = customResources;
      const breaking = findings.filter(({ severity }) => severity === "error");
      const first = (key: "rejected" | "pruned") => {
        const found = examples.find((example) => example[key].length > 0);
        return found ? ` (e.g. ${found.object}: ${found[key][0] ?? ""})` : "";
      };
      return [
        ...breaking.map(({ rule, text, path }) => ({
          what: `CRD ${name} breaks its users: ${rule}${path ? ` at ${path}` : ""}: ${text}`,
          fix:
            "take a chart version that keeps it, or accept this one finding for good: pulumi config set --path " +
            `'crdRules[0]' '{"rule":"${rule}","crd":"${name}","severity":"warning","reason":"<why>"}'`,
        })),
        ...(rejected > 0
          ? [
              {
                what: `${rejected} of ${total} objects of CRD ${name} do not fit its new schema${first("rejected")}`,
                fix: "repair them before the upgrade, or declare rules (docs/custom-resource-migration.md); `npx casa-upgrade plan` lists them",
              },
            ]
          : []),
        ...(pruned > 0
          ? [
              {
                what: `${pruned} of ${total} objects of CRD ${name} lose fields${first("pruned")}`,
                fix: "declare what becomes of the fields (docs/custom-resource-migration.md); `npx casa-upgrade plan` lists them",
              },
            ]
          : []),
      ];
    }),
  cannot: "how CRDs and their objects change: the live ones are seen on the cluster only",
});

/** helm installs the CRDs of a chart once and never touches them again. */
export const crdsManaged = policyOf({
  name: "crds-managed",
  description: "The chart's CRDs are resources of the program (skipCrds), not left to helm.",
  enforcementLevel: "mandatory",
  why: "helm never upgrades CRDs: the new version then runs with the old schemas, or without a kind that it needs",
  release: (release) =>
    release.props["skipCrds"] === true
      ? []
      : [
          {
            what: `Release ${release.name} leaves the CRDs of its chart to helm, which never upgrades them`,
            fix: "set skipCrds to true and declare the chart version's CRDs as resources that the Release depends on",
          },
        ],
});

const names = z.array(z.string());
/** The CRDs of a set; `resource` is false for those that its command writes. */
const setCrds = z.array(z.looseObject({ name: z.string(), resource: z.boolean().optional() }));
const COMMAND_TYPE = "command:local:Command";

/**
 * Looks at the order of the whole program, so it runs at the end: a preview is refused by it, an `up` that had no
 * preview only after the fact. `crds-managed` and `crds-compatible` refuse before.
 */
export const crdsBeforeChart: StackValidationPolicy = {
  name: "crds-before-chart",
  description: "Every CRD of the runtime is declared, kept, and applied before the Release that needs it.",
  enforcementLevel: "mandatory",
  configSchema: { properties: CHARTS },
  validateStack: (args, report) => {
    const { charts } = args.getConfig<{ charts: string[] }>();
    const { resources } = args;
    for (const release of resources.filter((one) => isRuntime(one, charts))) {
      for (const finding of orderFindings(release, resources)) report(messageOf(finding, WHY), release.urn);
    }
  },
};

const WHY =
  "without its CRDs the new version fails or runs with old schemas; deleted CRDs take all their objects with them";

function isRuntime({ type, urn, props }: PolicyResource, charts: readonly string[]): boolean {
  return type === RELEASE_TYPE && (isOurs(urn) || isRuntimeChart(props, charts));
}

function orderFindings(release: PolicyResource, resources: readonly PolicyResource[]): Finding[] {
  const declared = declaredCrds(resources).filter(({ urn }) => isOurs(urn) === isOurs(release.urn));
  if (!isOurs(release.urn) && declared.length === 0) {
    return [
      {
        what: `No CRD is declared beside Release ${release.name}`,
        fix: "declare the chart version's CRDs as resources and let the Release depend on them, or use CasaUpgrade",
      },
    ];
  }
  const before = reachable(release);
  const late = declared.filter(({ urn }) => !before.has(urn));
  const missing = isOurs(release.urn) ? missingNames(resources, declared) : [];
  return [
    ...late.map(({ name }) => ({
      what: `CRD ${name} is not applied before Release ${release.name}`,
      fix: "give the Release dependsOn: [the CRD]",
    })),
    ...missing.map((name) => ({
      what: `CRD ${name} belongs to the chart version and is not declared`,
      fix: "repair components/crd-set/component.ts: every CRD of the chart is a resource with retainOnDelete, or written by its command",
    })),
  ];
}

interface Declared {
  readonly name: string;
  /** Of the resource that applies it. */
  readonly urn: string;
}

/** CRDs that are resources, and the large ones that a command of casa-upgrade's CrdSet writes. */
function declaredCrds(resources: readonly PolicyResource[]): Declared[] {
  const writers = resources.filter(({ type, urn }) => type === COMMAND_TYPE && urn.includes(`${SET_TYPE}$`));
  return [
    ...resources.filter(({ type }) => type === CRD_TYPE),
    ...resources
      .filter(({ type }) => type === SET_TYPE)
      .flatMap(({ name: set, props }) => {
        const writer = writers.find(({ name }) => name === `${set}-large`);
        const large = setCrds.parse(props["crds"] ?? []).filter(({ resource }) => resource === false);
        return writer ? large.map(({ name }) => ({ name, urn: writer.urn })) : [];
      }),
  ];
}

/** CRDs that the review or the component name and that no resource declares. */
function missingNames(resources: readonly PolicyResource[], declared: readonly Declared[]): string[] {
  const review = resources.find(({ type }) => type === REVIEW_TYPE);
  const set = resources.find(({ type }) => type === SET_TYPE);
  const wanted = [
    ...(review
      ? crds.parse(review.props["crds"]).flatMap(({ name, action }) => (action === "retained" ? [] : [name]))
      : []),
    ...(set ? names.parse(set.props["applied"] ?? []) : []),
  ];
  return [...new Set(wanted)].filter((name) => !declared.some((crd) => crd.name === name));
}

/**
 * URNs of everything that is done before the resource: what it depends on, and what the components that it is part of
 * do.
 */
function reachable(resource: PolicyResource, seen = new Set<string>()): Set<string> {
  if (resource.parent) reachable(resource.parent, seen);
  for (const before of resource.dependencies) {
    if (seen.has(before.urn)) continue;
    seen.add(before.urn);
    reachable(before, seen);
  }
  return seen;
}
