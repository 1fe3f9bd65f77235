import type { ResourceValidationPolicy } from "@pulumi/policy";
import { CHARTS, isOurs, RELEASE_TYPE, releaseOf } from "./release";
import { type Finding, messageOf } from "./rule";
import { isUnknownValue } from "./unknown";

/** Settings of a Release by which an upgrade does something else than its config says, or nobody learns how it went. */
export const releaseSettings: ResourceValidationPolicy = {
  name: "release-settings",
  description:
    "A Release does not reuse old values, keeps a bounded history, waits for its workloads, and has a time limit.",
  enforcementLevel: "mandatory",
  configSchema: {
    properties: {
      maxHistory: { type: "integer", minimum: 1, default: 20, description: "most revisions that helm may keep" },
      ...CHARTS,
    },
  },
  validateResource: (args, report) => {
    const { maxHistory, charts } = args.getConfig<{ maxHistory: number; charts: string[] }>();
    const isRuntime = (args.type === RELEASE_TYPE && isOurs(args.urn)) || releaseOf(args, charts) !== undefined;
    if (!isRuntime) return;
    for (const finding of settingFindings(args.name, args.props, maxHistory)) report(messageOf(finding, WHY));
  },
};

const WHY =
  "an upgrade must do what its config says, end with a clear answer, and leave room in the cluster's storage for the next one";

function settingFindings(name: string, props: Readonly<Record<string, unknown>>, mostHistory: number): Finding[] {
  const checks: [key: string, ok: (value: unknown) => boolean, what: string, fix: string][] = [
    [
      "reuseValues",
      (value) => value !== true,
      "reuses the values of the last revision",
      "remove reuseValues; set every value in the program",
    ],
    [
      "maxHistory",
      (value) => typeof value === "number" && value > 0 && value <= mostHistory,
      `keeps more than ${mostHistory} revisions, or all of them`,
      `set maxHistory to ${Math.min(10, mostHistory)}`,
    ],
    ["skipAwait", (value) => value !== true, "does not wait for its workloads", "remove skipAwait"],
    [
      "timeout",
      (value) => typeof value === "number" && value > 0,
      "has no time limit of its own",
      "set timeout to 600 (seconds)",
    ],
  ];
  return checks.flatMap(([key, ok, what, fix]) => {
    try {
      return ok(props[key]) ? [] : [{ what: `Release ${name} ${what} (${key})`, fix }];
    } catch (error) {
      if (!isUnknownValue(error)) throw error;
      return [
        {
          what: `Release ${name}: ${key} is not known yet, so it cannot be judged`,
          fix: `give ${key} as plain config`,
        },
      ];
    }
  });
}
