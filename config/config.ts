import { statSync } from "node:fs";
import { UserError } from "../shared/user-error";
import { exampleLine, removeLine } from "./config-commands";
import { describeProblems, problem, shownValue } from "./config-problems";
import { configSchema, schemaAt, type UpgradeConfig } from "./config-schema";

export { parseWorkloadRef, type UpgradeConfig } from "./config-schema";

/** The configuration is wrong: every problem, each with the line that fixes it. */
export function configError(problems: readonly string[]): UserError {
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return new UserError("config", `the configuration of this stack has ${count}:\n${problems.join("\n")}`);
}

/**
 * Parses the stack's configuration: keys without the project's name, values as JSON would have them.
 *
 * @param secretKeys top-level keys that are stored encrypted; their values are never shown.
 * @throws UserError listing every problem: key, value (never a secret one), what is allowed, the line that fixes it.
 */
export function parseConfig(
  raw: Record<string, unknown>,
  secretKeys: readonly string[] = ["secretValues"],
): UpgradeConfig {
  const parsed = configSchema.safeParse(raw);
  const wrong = parsed.success ? [] : parsed.error.issues;
  const problems = [
    ...describeProblems(wrong, raw, [...secretKeys, "secretValues"]),
    ...(wrong.some(({ path }) => path[0] === "chart" || path[0] === "repository")
      ? []
      : chartProblems(raw, secretKeys)),
    ...openSecrets(raw, secretKeys),
  ];
  if (!parsed.success || problems.length > 0) throw configError(problems);
  return parsed.data;
}

/** Name of the ext-authz sidecar's Deployment: the configured one, else as the chart calls it. */
export function sidecarDeploymentOf({ release, restarts }: Pick<UpgradeConfig, "release" | "restarts">): string {
  return restarts.sidecarDeployment ?? `${release}-sidecar`;
}

/** What the source of the chart needs beside it, and what it excludes. */
function chartProblems(raw: Record<string, unknown>, secretKeys: readonly string[]): string[] {
  const text = (key: string) => (typeof raw[key] === "string" ? raw[key] : "");
  const [chart, repository] = [text("chart"), text("repository")];
  const is = (key: string) => `is ${shownValue([key], raw[key], secretKeys)}`;
  const example = (key: string) => exampleLine([key], schemaAt([key])?.example);
  const problems: string[] = [];

  const oci = chart.startsWith("oci://");
  const local = !oci && (isPath(chart) || (repository === "" && isFolder(chart)));
  if (oci && repository !== "") {
    problems.push(
      problem(
        ["repository"],
        `${is("repository")}; allowed: none with a chart from oci://`,
        removeLine(["repository"]),
      ),
    );
  } else if (!oci && chart.includes("://")) {
    problems.push(
      problem(["chart"], `${is("chart")}; allowed: ${schemaAt(["chart"])?.allowed ?? ""}`, example("chart")),
    );
  } else if (local && repository !== "") {
    const allowed = "a chart's plain name, because `repository` is set; a local chart has none";
    problems.push(problem(["chart"], `${is("chart")}; allowed: ${allowed}`, removeLine(["repository"])));
  } else if (!oci && !local && repository === "") {
    const why = `chart "${chart}" is a name, and there is no such folder`;
    problems.push(problem(["repository"], `is not set; allowed: a URL, because ${why}`, example("repository")));
  }
  if (!local && text("version") === "" && !chart.includes("://", oci ? 6 : 0)) {
    problems.push(
      problem(["version"], `is not set; allowed: ${schemaAt(["version"])?.allowed ?? ""}`, example("version")),
    );
  }
  return problems;
}

/** A path by its shape; whether it exists is for the chart loading to say. */
function isPath(chart: string): boolean {
  return !chart.includes("://") && (chart.includes("/") || chart.startsWith(".") || chart.endsWith(".tgz"));
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** `secretValues` in clear text would end in version control. */
function openSecrets(raw: Record<string, unknown>, secretKeys: readonly string[]): string[] {
  const values = raw["secretValues"];
  const empty = typeof values === "object" && values !== null && Object.keys(values).length === 0;
  if (values === undefined || empty || secretKeys.includes("secretValues")) return [];
  const key = ["secretValues"];
  const fix = `${removeLine(key)} && ${exampleLine(key, schemaAt(key)?.example, true)}`;
  return [problem(key, "is [secret], stored as readable text; allowed: encrypted values", fix)];
}
