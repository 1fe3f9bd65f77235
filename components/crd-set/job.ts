import { gunzipSync, gzipSync } from "node:zlib";
import { z } from "zod";
import { asCrd, type Crd } from "../../crds/crds";
import { kubeObject } from "../../kubernetes/objects";

/** What cluster/crds-program.ts is told. Holds nothing secret. */
export const crdsJob = z.strictObject({
  /** All large CRDs of the chart version, so that it shows which one became another. */
  crds: z.array(z.strictObject({ name: z.string(), digest: z.string() })),
  /** Those of them that this run changes, by {@link pack}. */
  manifests: z.string(),
  /**
   * When this run was planned: a CRD may be changed by hand twice, and what makes it right is the same text both times.
   */
  occasion: z.string(),
});

export type CrdsJob = z.infer<typeof crdsJob>;

/** CRDs as a text that is short: schemas repeat themselves, so it has a tenth of their length. */
export function pack(crds: readonly Crd[]): string {
  return crds.length === 0 ? "" : gzipSync(JSON.stringify(crds)).toString("base64");
}

/** The CRDs of {@link pack}. @throws Error when the text is none of its. */
export function unpack(text: string): Crd[] {
  if (text === "") return [];
  const objects: unknown = JSON.parse(gunzipSync(Buffer.from(text, "base64")).toString());
  return z.array(kubeObject).parse(objects).map(crdOf);
}

function crdOf(object: z.infer<typeof kubeObject>): Crd {
  const crd = asCrd(object);
  if (!crd) throw new Error(`${object.metadata.name ?? "an object"} is no CRD`);
  return crd;
}
