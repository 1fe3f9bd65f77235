/**
 * Writes docs/review.schema.json, the JSON schema of what `casa-upgrade plan` writes, from review/report/schema.ts.
 * `--check` writes nothing and exits with 1 when the file is out of step.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { format, resolveConfig } from "prettier";
import { z } from "zod";
import { reviewSchema } from "../review/report/schema";

const ROOT = resolve(__dirname, "..");
/** The published schema, relative to the repository. */
export const SCHEMA_FILE = "docs/review.schema.json";

/** The schema (JSON Schema 2020-12) as it must be in the file, laid out as prettier wants it. */
export async function reviewSchemaDocument(root = ROOT): Promise<string> {
  const path = join(root, SCHEMA_FILE);
  const options = (await resolveConfig(path)) ?? {};
  return format(JSON.stringify(z.toJSONSchema(reviewSchema)), { ...options, filepath: path });
}

/** Whether the file is as it must be. */
export async function isSchemaCurrent(root = ROOT): Promise<boolean> {
  const path = join(root, SCHEMA_FILE);
  return existsSync(path) && readFileSync(path, "utf8") === (await reviewSchemaDocument(root));
}

async function main(): Promise<void> {
  if (await isSchemaCurrent()) return;
  if (process.argv.includes("--check")) {
    console.error(
      `out of step with review/report/schema.ts: ${SCHEMA_FILE}\nFix: node --import tsx scripts/review-schema.ts`,
    );
    process.exitCode = 1;
    return;
  }
  writeFileSync(join(ROOT, SCHEMA_FILE), await reviewSchemaDocument());
  console.log(`wrote ${SCHEMA_FILE}`);
}

if (require.main === module) void main();
