import { breaking } from "./facts";
import { type Finding, policyOf } from "./rule";

/** Migrations are written and tested from one version to the next. */
export const versionSteps = policyOf({
  name: "version-steps",
  description: "No upgrade skips a minor or major version, and none goes back.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "migrations are tested from one version to the next; data that a newer version wrote may not be readable by an older one",
  review: (review) => {
    const { distance } = breaking.parse(review["breaking"]);
    if (distance.kind === "downgrade") {
      return [
        {
          what: `The chart goes back: ${distance.text}`,
          fix: "keep the version; or have a verified backup from before the upgrade, and accept it",
        },
      ];
    }
    if (distance.skipped.length === 0) return [];
    return [
      {
        what: `The chart skips versions: ${[distance.text, ...distance.skipped].join("; ")}`,
        fix: "upgrade one version at a time: pulumi config set version <next>, pulumi up, and so on",
      },
    ];
  },
  cannot: "which version is installed: policies see what is wanted, not what was",
});

/** helm ignores a key that the chart does not know, without a word. */
export const valuesKnown = policyOf({
  name: "values-known",
  description: "Every value that is set is one that the chart version knows.",
  enforcementLevel: "advisory",
  acknowledge: true,
  why: "helm ignores it silently: a limit, a password or a replica count is then not what it seems to be",
  review: (review) =>
    breaking
      .parse(review["breaking"])
      .values.filter(({ problem }) => problem === "dropped" || problem === "unknown")
      .map(({ path, text, suggestion }): Finding => ({
        what: text.includes(path) ? text : `${path}: ${text}`,
        fix: suggestion ? `rename it to ${suggestion}` : "remove it from values, secretValues or the value file",
      })),
  cannot: "what the chart knows: its package is not read here",
});
