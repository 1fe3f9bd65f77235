import { parseAllDocuments } from "yaml";
import { z } from "zod";
import type { Properties } from "../shared/handler";
import type { LiveRelease } from "./release-helm";
import { mergeValues } from "./release-inputs";

/** Outputs of a release: its inputs, and what helm recorded. */
export function releaseState(inputs: Properties, live: LiveRelease): Properties {
  return {
    ...inputs,
    values: mergeValues((inputs["values"] ?? {}) as Properties, live.values),
    version: live.version,
    resourceNames: resourceNames(live.manifest),
    status: {
      appVersion: live.appVersion,
      chart: live.chart,
      name: live.name,
      namespace: live.namespace,
      revision: live.revision,
      status: live.status,
      version: live.version,
    },
  };
}

const objectSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string().default(""), namespace: z.string().optional() }),
});

/** Names (`namespace/name` where the manifest says the namespace) by kind, e.g. under `Deployment.apps/apps/v1`. */
function resourceNames(manifest: string): Record<string, string[]> {
  const names: Record<string, string[]> = {};
  for (const document of parseAllDocuments(manifest, { version: "1.1" })) {
    const object = objectSchema.safeParse(document.toJS()).data;
    if (!object) continue; // a template that rendered to nothing but comments
    const { apiVersion, kind, metadata } = object;
    const group = apiVersion.includes("/") ? `.${apiVersion.split("/")[0]}` : "";
    const key = `${kind}${group}/${apiVersion}`;
    const name = metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name;
    names[key] = [...new Set([...(names[key] ?? []), name])].sort();
  }
  return names;
}
