import { z } from "zod";
import { type ContainerImage, containerImages } from "../../kubernetes/container-images";
import { isSameImage } from "../../kubernetes/image";
import { dig, isMap } from "../../kubernetes/objects";
import { isOfIstio, type PodWebhook } from "../../kubernetes/webhooks";
import type { PodProblem } from "../../kubernetes/try-pod";
import { shortDigest } from "../../shared/digest";

/** How configuration reaches the MAS pods. */
export type InjectionMode = "istio" | "cilium";

/** What the injector puts into a pod. */
export interface Injected {
  /** Sorted by name. */
  containers: ContainerImage[];
  /** Control plane that did it, of mode `istio`. */
  revision?: string;
}

/** What the injector says about a pod of a workload, or why it says nothing. */
export type InjectorAnswer =
  /** `containers`: all of the pod as it would be. */
  { readonly injected: Injected; readonly containers?: readonly ContainerImage[] } | PodProblem;

/** The annotation in which Istio's injector says what it added. */
const ISTIO_STATUS = "sidecar.istio.io/status";
const REVISION = "istio.io/rev";
const names = z
  .array(z.string())
  .nullish()
  .transform((list) => list ?? []);
const istioStatus = z.looseObject({ initContainers: names, containers: names, revision: z.string().nullish() });

/**
 * The webhooks that are meant to inject: Istio's, or those of one configuration.
 *
 * @param webhook MutatingWebhookConfiguration of mode `cilium`; undefined: any.
 */
export function ownWebhooks(
  mode: InjectionMode,
  webhook: string | undefined,
  all: readonly PodWebhook[],
): PodWebhook[] {
  return all.filter((one) =>
    mode === "istio" ? isOfIstio(one) : webhook === undefined || one.configuration === webhook,
  );
}

export const NOTHING: Injected = { containers: [] };

/**
 * What the injector added to a pod.
 *
 * Of mode `istio` that is what Istio's injector says it added: another webhook's containers are not CASA's business. A
 * webhook of mode `cilium` does not say, so every container counts that the template does not have.
 *
 * @param template pod spec of the workload's template; undefined: only what Istio's injector says is known.
 */
export function injectedInto(
  mode: InjectionMode,
  pod: { annotations: Readonly<Record<string, string>>; containers: readonly ContainerImage[] },
  template: unknown,
): Injected {
  const status = mode === "istio" ? statusOf(pod.annotations[ISTIO_STATUS]) : undefined;
  if (mode === "istio" && !status) return NOTHING;
  const own = new Set(
    containerImages(template).flatMap(({ name, image }) => (mode === "istio" && isFilledIn(name, image) ? [] : [name])),
  );
  const added = new Set([...(status?.initContainers ?? []), ...(status?.containers ?? [])]);
  const containers = pod.containers
    .filter(({ name }) => !own.has(name) && (status === undefined || added.has(name)))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const revision = status && (pod.annotations[REVISION] ?? status.revision);
  return { containers, ...(revision ? { revision } : {}) };
}

/**
 * Whether a container of a template is Istio's all the same: a gateway's, whose image the injector sets, or one that
 * changes the proxy's settings. A template for proxyless gRPC names the agent's own containers, too, which are not.
 */
const isFilledIn = (name: string, image: string) => image === "auto" || name.startsWith("istio-");

function statusOf(text: string | undefined): z.infer<typeof istioStatus> | undefined {
  if (text === undefined) return undefined;
  try {
    return istioStatus.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Reads the API server's answer to a dry-run create. */
export function injectedIntoAnswer(mode: InjectionMode, answer: unknown, template: unknown): Injected {
  const annotations = dig(answer, "metadata", "annotations");
  const texts = Object.entries(isMap(annotations) ? annotations : {}).map(([key, value]) => [key, String(value)]);
  const pod = {
    annotations: Object.fromEntries(texts) as Record<string, string>,
    containers: containerImages(dig(answer, "spec")),
  };
  return injectedInto(mode, pod, template);
}

/**
 * What a running pod lacks of what the injector puts into a new one, in words; undefined when it lacks nothing. A pod
 * that has what the injector would leave out by now lacks nothing: a restart would only take it away.
 */
export function lacks(
  has: Injected,
  wanted: Injected,
  isSame: (a: string, b: string) => boolean = (a, b) => a === b,
): string | undefined {
  if (wanted.containers.length === 0) return undefined;
  const found = new Map(has.containers.map((one) => [one.name, one]));
  const missing = wanted.containers
    .filter(({ name }) => !found.has(name))
    .map(({ name }) => `has no container ${name}`);
  const others = new Map<string, string[]>();
  const other = (change: string, name: string) => others.set(change, [...(others.get(change) ?? []), name]);
  for (const { name, image, init } of wanted.containers) {
    const now = found.get(name);
    if (now === undefined) continue;
    if (!isSame(now.image, image)) other(`of ${now.image}, the injector's is ${image}`, name);
    if (now.init !== init) other(`as ${placeText(now.init)}, the injector's is ${placeText(init)}`, name);
  }
  // First, because a preview shows the beginning of it only.
  const revision =
    has.containers.length > 0 && wanted.revision !== undefined && has.revision !== wanted.revision
      ? [`was injected by revision ${has.revision ?? "?"}, not ${wanted.revision}`]
      : [];
  const images = [...others].map(([change, names]) => `has ${names.join(" and ")} ${change}`);
  const all = [...missing, ...revision, ...images];
  return all.length === 0 ? undefined : all.join(", ");
}

/** The same of a pod beside the API server's answer for one of its template. */
export function podLacks(
  mode: InjectionMode,
  pod: { annotations: Readonly<Record<string, string>>; containers: readonly ContainerImage[] },
  template: unknown,
  answer: Exclude<InjectorAnswer, PodProblem>,
): string | undefined {
  const isSame = isMirrored(pod.containers, answer.containers ?? [], template) ? isSameImage : undefined;
  return lacks(injectedInto(mode, pod, template), answer.injected, isSame);
}

/**
 * Whether a webhook that takes images from a mirror was at work for one of both and not for the other: it is new, or
 * leaves alone what is only tried. The agent's own containers show it, which no injector changes.
 */
function isMirrored(has: readonly ContainerImage[], tried: readonly ContainerImage[], template: unknown): boolean {
  const own = new Set(containerImages(template).map(({ name }) => name));
  const next = new Map(tried.map(({ name, image }) => [name, image]));
  return has.some(({ name, image }) => {
    const other = next.get(name);
    return own.has(name) && other !== undefined && other !== image && isSameImage(other, image);
  });
}

/** A sidecar among the init containers is a native one. */
const placeText = (init: boolean) => (init ? "an init container" : "a container");

/** Names of the containers that the injector put into a running pod and would not put into a new one. */
export function loses(has: Injected, wanted: Injected): string[] {
  const kept = new Set(wanted.containers.map(({ name }) => name));
  return has.containers.map(({ name }) => name).filter((name) => !kept.has(name));
}

/** Changes whenever the injector's answer does. */
export function injectedDigest(injected: Injected): string {
  return shortDigest([injected.containers, injected.revision ?? ""]);
}
