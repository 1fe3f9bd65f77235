import { dig, digList, isMap, type KubeObject, objectKey } from "../../kubernetes/objects";
import { containersOf, type ObjectPair, podWorkload, type PodWorkload } from "../../kubernetes/pod-templates";
import { selects } from "../../kubernetes/label-selector";
import { listed } from "../../shared/listed";

/** What a change means for those who call a workload through its Services. */
export interface ServiceFindings {
  /** By workload: why nothing is reached until its new pods are ready. */
  outages: ReadonlyMap<string, string>;
  /** What stays unreachable, or is for a while without any workload that rolls. */
  warnings: readonly string[];
}

interface Service {
  id: string;
  namespace: string;
  before: KubeObject;
  after: KubeObject;
}

/**
 * Services that lead nowhere because of an upgrade. helm changes a Service in one moment and before the workloads, so
 * what its new selector or port does not find in the old pods is not served until the new ones are ready, whatever the
 * strategy says; what it does not find in the new ones either is not served any more.
 *
 * @param predicted all objects of the release as they will be.
 */
export function serviceFindings(
  pairs: readonly ObjectPair[],
  predicted: readonly KubeObject[],
  namespace: string,
): ServiceFindings {
  const old = new Map(pairs.map(({ key, before }) => [key, before]));
  const services = predicted.flatMap((after): Service[] => {
    if (after.apiVersion !== "v1" || after.kind !== "Service") return [];
    const key = objectKey(after, namespace);
    const before = old.has(key) ? old.get(key) : after;
    if (!before || !isMap(dig(before, "spec", "selector")) || !isMap(dig(after, "spec", "selector"))) return [];
    const at = after.metadata.namespace ?? namespace;
    return [{ id: `Service ${at}/${after.metadata.name ?? ""}`, namespace: at, before, after }];
  });
  const unchanged = predicted.filter((object) => !old.has(objectKey(object, namespace)));
  const workloads = (objects: readonly (KubeObject | undefined)[]) =>
    objects.flatMap((object) => podWorkload(object, namespace) ?? []).filter(({ replicas }) => replicas > 0);
  const running = workloads([...pairs.map(({ before }) => before), ...unchanged]);
  const coming = workloads(predicted);
  const outages = new Map<string, string>();
  const warnings: string[] = [];
  for (const service of services) {
    const found = lookAt(service, running, coming);
    if (!found) continue;
    const { why, until } = found;
    const rolling = until.filter((id) => running.some((one) => one.id === id));
    for (const id of rolling) outages.set(id, `${service.id} ${why}, and new ones are not ready yet`);
    if (until.length === 0) warnings.push(`${service.id} ${why}: nothing is behind it after the upgrade`);
    else if (rolling.length === 0) {
      warnings.push(`${service.id} ${why}: nothing is behind it until pods of ${listed(until)} are ready`);
    }
  }
  return { outages, warnings };
}

/** Why no old pod serves any more, and the workloads whose new pods will; undefined where old pods go on. */
function lookAt(
  { namespace, before, after }: Service,
  running: readonly PodWorkload[],
  coming: readonly PodWorkload[],
): { why: string; until: string[] } | undefined {
  const served = behind(before, running, namespace);
  if (served.length === 0) return undefined;
  const stay = behind(after, running, namespace);
  const next = behind(after, coming, namespace);
  const until = next.map(({ id }) => id);
  if (next.length === 0) return { why: `selects no pods of the release any more (${selectorText(after)})`, until };
  if (stay.length === 0) return { why: `selects none of the pods that run (${selectorText(after)})`, until };
  const old = new Map(portsOf(before).map((port) => [port.port, port.target]));
  for (const { port, target } of portsOf(after)) {
    const was = old.get(port);
    if (was === undefined || !served.some((one) => has(one, was))) continue;
    const why = `leads from port ${port} to port ${target}, which`;
    // Programs may listen on a number that nobody declares.
    if (typeof target === "string" && !next.some((one) => has(one, target))) {
      return { why: `${why} pods of ${listed(until)} do not have`, until: [] };
    }
    if (next.some((one) => has(one, target)) && !stay.some((one) => has(one, target))) {
      return { why: `${why} the pods that run do not have`, until };
    }
  }
  return undefined;
}

function behind(service: KubeObject, workloads: readonly PodWorkload[], namespace: string): PodWorkload[] {
  const matchLabels = dig(service, "spec", "selector");
  return workloads.filter((one) => {
    const labels = dig(one.template, "metadata", "labels");
    return one.namespace === namespace && selects({ matchLabels }, isMap(labels) ? labels : {});
  });
}

/** Whether a container of the pods declares a port, by name or number. */
function has({ template }: PodWorkload, target: string | number): boolean {
  const field = typeof target === "string" ? "name" : "containerPort";
  return containersOf(template["spec"]).some(({ fields }) =>
    digList(fields, "ports").some((port) => dig(port, field) === target),
  );
}

/** A Service's ports, and where they lead: names or numbers of pods' ports. */
function portsOf(service: KubeObject): { port: number; target: string | number }[] {
  return digList(service, "spec", "ports").flatMap((one) => {
    const port = dig(one, "port");
    const target = dig(one, "targetPort") ?? port;
    return typeof target === "number" || typeof target === "string"
      ? [{ port: typeof port === "number" ? port : 0, target }]
      : [];
  });
}

function selectorText(service: KubeObject): string {
  const selector = dig(service, "spec", "selector");
  return Object.entries(isMap(selector) ? selector : {})
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(", ");
}
