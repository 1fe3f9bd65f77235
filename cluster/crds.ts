import { z } from "zod";
import type { LiveCrdMetadata } from "../plan/crds";
import type { ClusterClient } from "./connect";

const CRD = { apiVersion: "apiextensions.k8s.io/v1", kind: "CustomResourceDefinition" };
const texts = z
  .record(z.string(), z.string())
  .nullish()
  .transform((value) => value ?? {});
const crd = z.looseObject({
  metadata: z.looseObject({ name: z.string(), labels: texts, annotations: texts }),
  spec: z.looseObject({
    conversion: z
      .looseObject({
        webhook: z
          .looseObject({ clientConfig: z.looseObject({ caBundle: z.string().optional() }).optional() })
          .optional(),
      })
      .optional(),
  }),
});

/** The CRDs of these names that exist on the cluster, by name. */
export async function readLiveCrds(client: ClusterClient, names: string[]): Promise<Map<string, LiveCrdMetadata>> {
  const found = await Promise.all(names.map((name) => client.api.get(CRD, "", name)));
  const live = found.filter((object) => object !== undefined).map((object) => crd.parse(object));
  return new Map(
    live.map(({ metadata, spec }) => [
      metadata.name,
      {
        name: metadata.name,
        labels: metadata.labels,
        annotations: metadata.annotations,
        caBundle: spec.conversion?.webhook?.clientConfig?.caBundle,
      },
    ]),
  );
}
