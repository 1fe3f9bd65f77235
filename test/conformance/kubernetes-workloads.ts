import type { Values } from "./client";

/** Pod annotations by which the embedded cluster makes pods slow or failing. */
export interface PodBehaviour {
  /** A Go duration; default: ready at once. */
  readyAfter?: string;
  behavior?: "never-ready" | "crash-loop";
}

export interface DeploymentOptions extends PodBehaviour {
  replicas?: number;
  /** Annotations of the Deployment itself. */
  annotations?: Values;
  image?: string;
}

function podTemplate(app: string, options: DeploymentOptions): Values {
  const prefix = "sandbox.casa-upgrade.dev/";
  const annotations: Values = {};
  if (options.readyAfter) annotations[`${prefix}ready-after`] = options.readyAfter;
  if (options.behavior) annotations[`${prefix}behavior`] = options.behavior;
  return {
    metadata: { labels: { app }, annotations },
    spec: {
      containers: [{ name: "main", image: options.image ?? "example.com/main:1" }],
      terminationGracePeriodSeconds: 0,
    },
  };
}

/** A Deployment of simulated pods, as a manifest. */
export function deployment(namespace: string, name: string, options: DeploymentOptions = {}): Values {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { namespace, name, annotations: options.annotations ?? {} },
    spec: {
      replicas: options.replicas ?? 1,
      selector: { matchLabels: { app: name } },
      template: podTemplate(name, options),
    },
  };
}
