import { UserError } from "../../shared/user-error";
import { readFileSync } from "node:fs";
import { parseDocument } from "yaml";

import { KUBE_YAML } from "../../kubernetes/kube-yaml";
import { type MigrationEntry, migrationFile, rulesProblems } from "./rules";
import { MIGRATION_DOC } from "../../shared/doc-pages";

/**
 * Reads the file of `customResourceMigrations`; relative to the current directory, which is the project's.
 *
 * @param path undefined: there is none.
 * @throws UserError naming the file and every problem in it.
 */
export function readMigrations(path: string | undefined): MigrationEntry[] {
  if (path === undefined) return [];
  return parseMigrations(readText(path), path);
}

/** The same for the file's text. */
export function parseMigrations(text: string, path: string): MigrationEntry[] {
  const document = parseDocument(text, KUBE_YAML);
  const broken = document.errors[0];
  if (broken) throw refusal(path, [`it is not valid YAML: ${broken.message.split("\n")[0] ?? ""}`]);
  const parsed = migrationFile.safeParse(document.toJS());
  if (!parsed.success) {
    throw refusal(
      path,
      parsed.error.issues.map((issue) => `${issue.path.map(String).join(".") || "the file"}: ${issue.message}`),
    );
  }
  const { migrations } = parsed.data;
  const problems = migrations.flatMap(({ crd, from, to, rules }, i) => [
    // Within a version not all rules are in force at once; those that are get judged together when that is known.
    ...(from === to ? rules.flatMap((rule) => rulesProblems([rule])) : rulesProblems(rules)),
    ...(migrations.some((other, j) => j < i && other.crd === crd && other.from === from && other.to === to)
      ? [`there is another migration of ${crd} from ${from} to ${to}; put the rules into one`]
      : []),
  ]);
  if (problems.length > 0) throw refusal(path, problems);
  return migrations;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const why = missing
      ? `it does not exist in ${process.cwd()}`
      : error instanceof Error
        ? error.message
        : String(error);
    throw new UserError(
      "custom-resource-migration",
      `the file of migrations ${path} cannot be read: ${why}`,
      "pulumi config set customResourceMigrations <file>, or: pulumi config rm customResourceMigrations",
    );
  }
}

function refusal(path: string, problems: readonly string[]): UserError {
  return new UserError(
    "custom-resource-migration",
    `the file of migrations ${path} is wrong:\n${problems.map((text) => `    ${text}`).join("\n")}`,
    `correct it; ${MIGRATION_DOC} shows the form`,
  );
}
