import { selects } from "../../kubernetes/label-selector";
import { dig, digList, isMap } from "../../kubernetes/objects";
import type { Roll } from "../report/schema";
import { claimNames } from "../../kubernetes/references";
import { containersOf, type PodWorkload } from "../../kubernetes/pod-templates";

type Downtime = Roll["downtime"];

/** What the answer depends on outside of the workload. */
export interface DowntimeFacts {
  /** Access modes of a claim; undefined when it is not known. */
  accessModes: (namespace: string, claim: string) => readonly string[] | undefined;
  /** Nodes that take pods; undefined when not known. */
  nodes?: number;
}

const plural = (count: number, what: string) => `${count} ${what}${count === 1 ? "" : "s"}`;
const none = (why: string): Downtime => ({ expected: "none", why });
const untilReady = (why: string): Downtime => ({ expected: "until-ready", why });

/** How long a workload serves nothing while its pods are replaced, and why. */
export function expectedDowntime(before: PodWorkload, after: PodWorkload, facts: DowntimeFacts): Downtime {
  const { replicas, strategy } = after;
  const scaled = scaledToOrFromZero(before, after);
  if (scaled) return scaled;
  if (strategy.paused) return none("its rollout is paused: pods are replaced after kubectl rollout resume");
  if (strategy.type === "OnDelete") {
    return none("update strategy OnDelete: each pod keeps the old template until somebody deletes it");
  }
  switch (after.kind) {
    case "StatefulSet":
      return ofStatefulSet(after);
    case "DaemonSet":
      return ofDaemonSet(before, after);
    case "Deployment":
      if (strategy.type === "Recreate") {
        return untilReady(`strategy Recreate: ${podsGo(replicas)} before a new one starts`);
      }
      return ofRollingDeployment(before, after, facts);
  }
}

/** When only the number of pods changes: none is replaced. */
export function downtimeOfScaling(before: PodWorkload, after: PodWorkload): Downtime {
  const change = after.replicas - before.replicas;
  const text = change > 0 ? `${plural(change, "pod")} more` : `${plural(-change, "pod")} less`;
  return scaledToOrFromZero(before, after) ?? none(`${text}, none is replaced`);
}

function scaledToOrFromZero(before: PodWorkload, after: PodWorkload): Downtime | undefined {
  if (after.replicas === 0 && before.replicas > 0) {
    return untilReady("it is scaled to 0: nothing serves until it is scaled up again");
  }
  if (after.replicas === 0 || before.replicas === 0) return none("no pod of it runs now");
  return undefined;
}

function podsGo(replicas: number): string {
  return replicas === 1 ? "the only pod goes" : `all ${replicas} pods go`;
}

function ofStatefulSet({ replicas, strategy }: PodWorkload): Downtime {
  const { partition, unavailable } = strategy;
  const replaced = Math.max(0, replicas - partition);
  if (replaced === 0) return none(`partition ${partition} keeps ${plural(replicas, "pod")} on the old template`);
  const down = Math.min(unavailable, replaced);
  if (down >= replicas) return untilReady(`${podsGo(replicas)} before its successor starts, as a StatefulSet does it`);
  const kept = partition > 0 ? `; partition ${partition} keeps the others on the old template` : "";
  return none(`${replaced} of ${plural(replicas, "pod")} replaced, ${down} at a time${kept}`);
}

function ofDaemonSet(before: PodWorkload, after: PodWorkload): Downtime {
  const { replicas, strategy } = after;
  if (strategy.surge > 0) {
    const ports = sharedPorts(before, after);
    return ports
      ? { expected: "deadlock", why: `on each node the new pod waits for ${ports}, which the old one keeps until then` }
      : { expected: "brief", why: `on each node the new pod is ready before the old one goes${unprobed(after)}` };
  }
  if (strategy.unavailable >= replicas && replicas > 1) {
    return untilReady(`maxUnavailable lets the pods of all ${replicas} nodes go at the same time`);
  }
  return untilReady(`on each node the old pod goes before the new one starts; ${strategy.unavailable} at a time`);
}

function ofRollingDeployment(before: PodWorkload, after: PodWorkload, facts: DowntimeFacts): Downtime {
  const { replicas, strategy } = after;
  const { surge, unavailable } = strategy;
  if (unavailable >= replicas) {
    return untilReady(`maxUnavailable lets ${podsGo(replicas)} before a new one is ready`);
  }
  const blocked = claimHeld(before, after, facts) ?? nodeTaken(before, after, facts);
  if (blocked) return { expected: "deadlock", why: blocked };
  if (replicas === 1) {
    const unknown = sharedClaims(before, after).filter((claim) => !facts.accessModes(after.namespace, claim));
    const doubt = unknown.length > 0 ? `; the access modes of claim ${unknown.join(", ")} are not known` : "";
    return {
      expected: "brief",
      why: `one replica: the new pod is ready before the old one goes, open connections break${unprobed(after)}${doubt}`,
    };
  }
  return none(
    `at least ${replicas - unavailable} of ${replicas} pods stay available ` +
      `(maxSurge ${surge}, maxUnavailable ${unavailable})${unprobed(after)}`,
  );
}

function unprobed({ template }: PodWorkload): string {
  const probed = containersOf(template["spec"]).some(({ fields }) => isMap(fields["readinessProbe"]));
  return probed ? "" : "; it has no readiness probe, so a pod counts as ready as soon as it runs";
}

/** Claims that old and new pods mount alike. */
function sharedClaims(before: PodWorkload, after: PodWorkload): string[] {
  const old = claimNames(before.template["spec"]);
  return claimNames(after.template["spec"]).filter((claim) => old.includes(claim));
}

/** Old pods stay until a new one is ready, and a new one cannot start while an old one holds the volume. */
function claimHeld(before: PodWorkload, after: PodWorkload, facts: DowntimeFacts): string | undefined {
  for (const claim of sharedClaims(before, after)) {
    const modes = facts.accessModes(after.namespace, claim) ?? [];
    if (modes.includes("ReadWriteMany") || modes.includes("ReadOnlyMany")) continue;
    if (modes.includes("ReadWriteOncePod")) {
      return (
        `the new pod cannot start while the old one has the ReadWriteOncePod claim ${claim}, and the old one stays until ` +
        "the new one is ready; only strategy Recreate gets over it"
      );
    }
    if (modes.includes("ReadWriteOnce")) {
      return (
        `RollingUpdate with the ReadWriteOnce claim ${claim}: on another node the new pod waits for the volume that the old ` +
        "one keeps until the new one is ready; on the same node two servers run on one volume. Strategy Recreate avoids both"
      );
    }
  }
  return undefined;
}

/**
 * A new pod that needs a node without an old one, where every node has one. Only matters while no old pod may go first.
 */
function nodeTaken(before: PodWorkload, after: PodWorkload, { nodes }: DowntimeFacts): string | undefined {
  if (after.strategy.unavailable > 0) return undefined;
  const free = nodes !== undefined && nodes > after.replicas && !isPinned(after);
  if (free) return undefined;
  const known = nodes !== undefined && nodes <= after.replicas;
  const ports = sharedPorts(before, after);
  if (ports) {
    const when = known ? `no node is free (${plural(nodes, "node")})` : "no other fitting node is free";
    return `the new pod waits for ${ports}, which the old one keeps until the new one is ready, when ${when}`;
  }
  if (known && repelsItself(before) && repelsItself(after)) {
    return `its pod anti-affinity wants a node of its own for the new pod, and there are only ${plural(nodes, "node")}`;
  }
  return undefined;
}

/** Host ports that old and new pods want alike, in words. */
function sharedPorts(before: PodWorkload, after: PodWorkload): string | undefined {
  const old = hostPorts(before);
  const ports = hostPorts(after).filter((port) => old.includes(port));
  if (ports.length > 0) return `host port ${[...new Set(ports)].join(", ")}`;
  const onHost = [before, after].every(({ template }) => dig(template, "spec", "hostNetwork") === true);
  return onHost ? "its ports on the node's network (hostNetwork)" : undefined;
}

function hostPorts({ template }: PodWorkload): string[] {
  const onHost = dig(template, "spec", "hostNetwork") === true;
  return containersOf(template["spec"])
    .flatMap(({ fields }) => digList(fields, "ports"))
    .flatMap((port) => {
      const number = dig(port, "hostPort") ?? (onHost ? dig(port, "containerPort") : undefined);
      const protocol = dig(port, "protocol");
      return typeof number === "number" ? [`${number}${protocol === "UDP" ? "/UDP" : ""}`] : [];
    });
}

/** Bound to some nodes only, so that the number of all nodes says nothing. */
function isPinned({ template }: PodWorkload): boolean {
  const spec = template["spec"];
  return [
    dig(spec, "nodeName"),
    dig(spec, "nodeSelector"),
    dig(spec, "affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution"),
  ].some((pin) => pin !== undefined && pin !== null);
}

/** Whether its pods may not share a node, by labels that they carry themselves. */
function repelsItself({ template }: PodWorkload): boolean {
  const terms = digList(
    template["spec"],
    "affinity",
    "podAntiAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
  );
  const labels = dig(template, "metadata", "labels");
  return terms.some((term) => {
    const wanted = Object.keys(dig(term, "labelSelector", "matchLabels") ?? {});
    return (
      dig(term, "topologyKey") === "kubernetes.io/hostname" &&
      digList(term, "labelSelector", "matchExpressions").length === 0 &&
      wanted.length > 0 &&
      selects(dig(term, "labelSelector"), isMap(labels) ? labels : {})
    );
  });
}
