import { z } from "zod";
import { workloadFacts } from "./workloads";
import type { ClusterClient } from "./connect";

/** What must be ready before a restarted pod gets the new configuration. */
export interface InjectionCheck {
  mode: "istio" | "cilium";
  /** Namespace of the runtime. */
  namespace: string;
  sidecarDeployment: string;
  /** MutatingWebhookConfiguration of mode `cilium`. */
  webhook: string;
}

const webhookConfiguration = z.looseObject({
  webhooks: z
    .array(
      z.looseObject({
        name: z.string(),
        clientConfig: z.looseObject({
          caBundle: z.string().nullish(),
          service: z.looseObject({ name: z.string(), namespace: z.string() }).nullish(),
        }),
      }),
    )
    .nullish(),
});
const service = z.looseObject({
  spec: z.looseObject({ selector: z.record(z.string(), z.string()).nullish() }),
});
const podLabels = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  spec: z.looseObject({
    template: z.looseObject({ metadata: z.looseObject({ labels: z.record(z.string(), z.string()).nullish() }) }),
  }),
});
const DEPLOYMENT = { apiVersion: "apps/v1", kind: "Deployment" };

/** What a restarted pod would miss right now; undefined when the injection is ready. */
export function injectionProblem(client: ClusterClient, check: InjectionCheck): Promise<string | undefined> {
  return check.mode === "istio" ? sidecarProblem(client, check) : webhookProblem(client, check);
}

async function sidecarProblem(client: ClusterClient, { namespace, sidecarDeployment }: InjectionCheck) {
  const live = await client.api.get(DEPLOYMENT, namespace, sidecarDeployment);
  if (live === undefined) {
    return (
      `Deployment ${namespace}/${sidecarDeployment} (the sidecar) does not exist; ` +
      "if it has another name: pulumi config set --path restarts.sidecarDeployment <name>"
    );
  }
  return notRolledOut(live);
}

async function webhookProblem(client: ClusterClient, { webhook }: InjectionCheck): Promise<string | undefined> {
  const kind = { apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingWebhookConfiguration" };
  const live = await client.api.get(kind, "", webhook);
  if (live === undefined) {
    return `MutatingWebhookConfiguration ${webhook} does not exist; if it has another name: pulumi config set webhook <name>`;
  }
  const hooks = webhookConfiguration.parse(live).webhooks ?? [];
  if (hooks.length === 0) return `MutatingWebhookConfiguration ${webhook} has no webhooks`;
  for (const { name, clientConfig } of hooks) {
    if (!clientConfig.caBundle) {
      return `webhook ${name} of ${webhook} has no CA bundle yet (its certificate is not issued, or no injector fills it in)`;
    }
    const problem = clientConfig.service ? await serviceProblem(client, clientConfig.service) : undefined;
    if (problem) return problem;
  }
  return undefined;
}

async function serviceProblem(client: ClusterClient, target: { name: string; namespace: string }) {
  const found = await client.api.get({ apiVersion: "v1", kind: "Service" }, target.namespace, target.name);
  if (found === undefined) return `Service ${target.namespace}/${target.name} of the webhook does not exist`;
  const selector = Object.entries(service.parse(found).spec.selector ?? {});
  if (selector.length === 0) return undefined; // endpoints managed by hand: nothing that could be judged
  const deployments = await client.api.list(DEPLOYMENT, target.namespace);
  const behind = deployments.filter((item) => {
    const labels = podLabels.parse(item).spec.template.metadata.labels ?? {};
    return selector.every(([key, value]) => labels[key] === value);
  });
  if (behind.length === 0)
    return `no Deployment stands behind Service ${target.namespace}/${target.name} of the webhook`;
  return behind.map(notRolledOut).find((problem) => problem !== undefined);
}

function notRolledOut(live: unknown): string | undefined {
  const facts = workloadFacts("Deployment", live);
  if (facts.replicas === 0) return `Deployment ${facts.namespace}/${facts.name} is scaled to 0 replicas`;
  return facts.rolledOut ? undefined : `Deployment ${facts.namespace}/${facts.name} is not rolled out`;
}
