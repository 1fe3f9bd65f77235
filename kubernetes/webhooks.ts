import { z } from "zod";
import { ApiError } from "./api";
import type { ClusterClient } from "./connect";
import { dig, digList, isMap } from "./objects";
import { selects } from "./label-selector";

/** One webhook that the API server asks when a pod is created. */
export interface PodWebhook {
  configuration: string;
  name: string;
  namespaceSelector: unknown;
  objectSelector: unknown;
}

const configurationSchema = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  webhooks: z
    .array(
      z.looseObject({
        name: z.string(),
        namespaceSelector: z.unknown(),
        objectSelector: z.unknown(),
        rules: z
          .array(
            z.looseObject({
              apiGroups: z.array(z.string()).nullish(),
              resources: z.array(z.string()).nullish(),
              operations: z.array(z.string()).nullish(),
            }),
          )
          .nullish(),
      }),
    )
    .nullish(),
});

const holds = (list: string[] | null | undefined, ...values: string[]) =>
  (list ?? []).some((value) => value === "*" || values.includes(value));

/** The mutating webhooks for pods; undefined when they may not be listed. */
export async function podWebhooks(client: ClusterClient): Promise<PodWebhook[] | undefined> {
  const type = { apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingWebhookConfiguration" };
  try {
    const found = await client.list(type, undefined, configurationSchema);
    return found.flatMap(({ metadata, webhooks }) =>
      (webhooks ?? [])
        .filter(({ rules }) =>
          (rules ?? []).some(
            ({ apiGroups, resources, operations }) =>
              holds(apiGroups, "") && holds(resources, "pods", "pods/*", "*/*") && holds(operations, "CREATE"),
          ),
        )
        .map(({ name, namespaceSelector, objectSelector }) => ({
          ...{ configuration: metadata.name, name },
          // An absent selector selects everything.
          namespaceSelector: namespaceSelector ?? {},
          objectSelector: objectSelector ?? {},
        })),
    );
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return undefined;
    throw error;
  }
}

/** Whether the API server asks this webhook about a pod with these labels, in a namespace with those. */
export function isAsked(
  { namespaceSelector, objectSelector }: PodWebhook,
  namespaceLabels: Readonly<Record<string, unknown>>,
  podLabels: Readonly<Record<string, unknown>>,
): boolean {
  return selects(namespaceSelector, namespaceLabels) && selects(objectSelector, podLabels);
}

/** Whether a webhook is one of Istio's injectors: it goes by Istio's labels, or is called after it. */
export function isOfIstio({ configuration, name, namespaceSelector, objectSelector }: PodWebhook): boolean {
  const keys = [...keysIn(namespaceSelector), ...keysIn(objectSelector)];
  return /istio|sidecar-injector/i.test(`${configuration} ${name}`) || keys.some((key) => /istio/.test(key));
}

/** Label keys of pods that the webhooks decide by. */
export function selectedKeys(webhooks: readonly PodWebhook[]): Set<string> {
  return new Set(webhooks.flatMap(({ objectSelector }) => keysIn(objectSelector)));
}

function keysIn(selector: unknown): string[] {
  const matchLabels = dig(selector, "matchLabels");
  return [
    ...Object.keys(isMap(matchLabels) ? matchLabels : {}),
    ...digList(selector, "matchExpressions").map((rule) => String(dig(rule, "key"))),
  ];
}

/** Values that the webhooks want of one label of the namespace or the pod, such as the revisions that are served. */
export function servedValues(webhooks: readonly PodWebhook[], key: string): string[] {
  const values = webhooks.flatMap(({ namespaceSelector, objectSelector }) =>
    [namespaceSelector, objectSelector].flatMap((selector) => {
      const exact = dig(selector, "matchLabels", key);
      const listed = digList(selector, "matchExpressions")
        .filter((rule) => dig(rule, "key") === key && dig(rule, "operator") === "In")
        .flatMap((rule) => digList(rule, "values"));
      return [...(typeof exact === "string" ? [exact] : []), ...listed.map(String)];
    }),
  );
  return [...new Set(values)].sort();
}
