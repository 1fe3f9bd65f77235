import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { z } from "zod";
import { type CheckFailure, isMap, type Properties, UNKNOWN } from "../shared/handler";
import { hasUnknowns } from "../shared/values";

/** How long helm may wait for any one operation when the program does not say, in seconds. */
export const DEFAULT_TIMEOUT_SECONDS = 300;

const flag = z.boolean().default(false);
const text = z.string().default("");

const repositorySchema = z.object({
  repo: text,
  caFile: text,
  certFile: text,
  keyFile: text,
  username: text,
  password: text,
});

/** Where a chart comes from when it is neither a local path nor an `oci://` address. */
export type RepositoryOptions = z.infer<typeof repositorySchema>;

const releaseSchema = z.object({
  allowNullValues: flag,
  atomic: flag,
  chart: z.string({ error: "the chart is required" }).min(1, "the chart is required"),
  cleanupOnFail: flag,
  createNamespace: flag,
  dependencyUpdate: flag,
  description: text,
  devel: flag,
  disableCRDHooks: flag,
  disableOpenapiValidation: flag,
  disableWebhooks: flag,
  forceUpdate: flag,
  keyring: text,
  lint: flag,
  maxHistory: z.number().int().optional(),
  name: text,
  namespace: text,
  postrender: text,
  recreatePods: flag,
  renderSubchartNotes: flag,
  replace: flag,
  repositoryOpts: repositorySchema.optional(),
  resetValues: flag,
  reuseValues: flag,
  skipAwait: flag,
  skipCrds: flag,
  takeOwnership: flag,
  timeout: z.number().default(0),
  values: z.record(z.string(), z.unknown()).default({}),
  verify: flag,
  version: text,
  waitForJobs: flag,
});

/** The inputs of a release, every option filled in. */
export type ReleaseInputs = z.infer<typeof releaseSchema>;

/** Reads inputs that {@link checkInputs} accepted; throws when a value is still unknown. */
export function parseInputs(inputs: Properties): ReleaseInputs {
  return releaseSchema.parse(withoutNulls(inputs));
}

/** What the program wants, with every default, as it is kept in state; unknown values stay unknown. */
export function checkInputs(
  news: Properties,
  olds: Properties | undefined,
  urn: string,
  defaultNamespace: string,
): { inputs: Properties; failures: CheckFailure[] } {
  const wanted = withoutNulls(news);
  wanted["name"] = wanted["name"] || olds?.["name"] || autoname(urn);
  wanted["namespace"] = wanted["namespace"] || defaultNamespace;
  if (wanted["skipAwait"] !== true) wanted["timeout"] ??= DEFAULT_TIMEOUT_SECONDS;
  if (wanted["verify"] === true) wanted["keyring"] = wanted["keyring"] || path.join(os.homedir(), ".gnupg/pubring.gpg");

  const inputs: Properties = {};
  const failures: CheckFailure[] = [];
  for (const [property, schema] of Object.entries(releaseSchema.shape)) {
    const value = wanted[property];
    if (hasUnknowns(value)) {
      inputs[property] = value;
      continue;
    }
    const parsed = schema.safeParse(value);
    if (parsed.success) {
      if (parsed.data !== undefined) inputs[property] = parsed.data;
    } else {
      const reasons = parsed.error.issues.map((issue) => [...issue.path, issue.message].join(": "));
      failures.push({ property, reason: reasons.join("; ") });
    }
  }
  mergeValueFiles(inputs, wanted["valueYamlFiles"], failures);
  return { inputs, failures };
}

/** Puts the values files below `values`, as the official provider does: state knows only the merged values. */
function mergeValueFiles(inputs: Properties, files: unknown, failures: CheckFailure[]): void {
  if (files === undefined) return;
  if (hasUnknowns(files)) {
    inputs["values"] = UNKNOWN;
    return;
  }
  try {
    const merged = z.array(z.unknown()).parse(files).map(readValues).reduce(mergeValues, {});
    const own = inputs["values"];
    if (own !== UNKNOWN) inputs["values"] = mergeValues(merged, (own ?? {}) as Properties);
  } catch (error) {
    failures.push({ property: "valueYamlFiles", reason: error instanceof Error ? error.message : String(error) });
  }
}

/** A text or file asset as it comes over the wire. */
const assetSchema = z.looseObject({
  text: z.string().optional(),
  path: z.string().optional(),
  uri: z.string().optional(),
});

function readValues(asset: unknown): Properties {
  const { text: content, path: file, uri } = assetSchema.parse(asset);
  const source = file || (uri?.startsWith("file:") ? fileURLToPath(uri) : "");
  if (!source && uri) throw new Error(`values cannot be read from ${uri}: only text and local files are supported`);
  const yaml = source ? fs.readFileSync(source, "utf8") : (content ?? "");
  // Helm reads YAML 1.1: `on` and `yes` are booleans there.
  const values: unknown = parse(yaml, { version: "1.1" });
  const parsed = z.record(z.string(), z.unknown()).nullable().safeParse(values);
  if (!parsed.success) throw new Error(`${source || "a values asset"} must hold a YAML map`);
  return parsed.data ?? {};
}

/** Merges maps key by key as helm does with values: the second wins; lists and nulls replace. */
export function mergeValues(base: Properties, over: Properties): Properties {
  const merged = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = merged[key];
    merged[key] = isMap(below) && isMap(value) ? mergeValues(below, value) : value;
  }
  return merged;
}

function withoutNulls(properties: Properties): Properties {
  return Object.fromEntries(Object.entries(properties).filter(([, value]) => value !== null && value !== undefined));
}

function autoname(urn: string): string {
  return `${urn.split("::").at(-1) ?? "release"}-${randomBytes(4).toString("hex")}`;
}
