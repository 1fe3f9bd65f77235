import { z } from "zod";
import type { ClusterClient } from "../../../kubernetes/connect";
import type { WorkloadName } from "../../../diagnosis/diagnose";
import type { InjectionJob } from "../injection-job";
import { dig, isMap } from "../../../kubernetes/objects";
import { isAsked, podWebhooks } from "../../../kubernetes/webhooks";
import { askInjector } from "./injector";
import { progressOf, readWorkload, workloadFacts } from "../../../kubernetes/workloads";

/** What must be ready before a restarted pod gets the new configuration. */
export type InjectionCheck = Pick<InjectionJob, "mode" | "namespace" | "sidecarDeployment" | "webhook" | "askAbout">;

/** What is missing. */
export interface InjectionProblem {
  problem: string;
  /** The workload to look at, where one is the cause. */
  workload?: WorkloadName;
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
const DEPLOYMENT = { apiVersion: "apps/v1", kind: "Deployment" };

/** What a restarted pod would miss right now, in words; undefined when the injection is ready. */
export async function injectionProblem(client: ClusterClient, check: InjectionCheck): Promise<string | undefined> {
  return (await findInjectionProblem(client, check))?.problem;
}

/**
 * What a restarted pod would miss right now, and which workload is the cause; undefined when the injection is ready.
 */
export async function findInjectionProblem(
  client: ClusterClient,
  check: InjectionCheck,
): Promise<InjectionProblem | undefined> {
  const problem = await (check.mode === "istio" ? sidecarProblem(client, check) : webhookProblem(client, check));
  if (problem !== undefined) return problem;
  const silent = check.mode === "cilium" ? await silentWebhook(client, check) : undefined;
  return silent ?? injectorProblem(client, check);
}

/** What the injector itself says of new pods: that it does not answer, or gives them nothing any more. */
async function injectorProblem(client: ClusterClient, { mode, askAbout }: InjectionCheck) {
  const problems = await Promise.all(
    askAbout.map(async ({ kind, namespace, name, injects }): Promise<InjectionProblem | undefined> => {
      const found = await readWorkload(client, { kind, namespace, name });
      if (found === undefined) return undefined;
      const answer = await askInjector(client, mode, found.live);
      const pods = `new pods of ${kind} ${namespace}/${name}`;
      if ("problem" in answer) {
        return answer.problem === "down" ? { problem: `${pods} cannot be created: ${answer.message}` } : undefined;
      }
      const given = new Set(answer.injected.containers.map((container) => container.name));
      const gone = injects.filter((one) => !given.has(one));
      // Another name is another version of the same; of what Istio's proxy consists is its injector's business.
      const isOther = mode === "istio" ? given.size > 0 : [...given].some((one) => !injects.includes(one));
      if (gone.length === 0 || isOther) return undefined;
      const why = "its webhook or its labels are gone, or what serves it does not answer and is ignored";
      return { problem: `${pods} would get no ${gone.join(" and ")} any more: ${why}` };
    }),
  );
  return problems.find((problem) => problem !== undefined);
}

/**
 * The webhook of mode `cilium` may be ignored where it does not answer, and pods then come without a proxy and without
 * a word. An injector that works adds something to some pod that it is asked about.
 */
async function silentWebhook(
  client: ClusterClient,
  { mode, webhook, askAbout }: InjectionCheck,
): Promise<InjectionProblem | undefined> {
  const own = (await podWebhooks(client))?.filter(({ configuration }) => configuration === webhook) ?? [];
  const answers = await Promise.all(
    askAbout.map(async ({ kind, namespace, name }) => {
      const workload = (await readWorkload(client, { kind, namespace, name }))?.live;
      const at = await client.api.get({ apiVersion: "v1", kind: "Namespace" }, "", namespace);
      if (workload === undefined || at === undefined) return [];
      const labels = dig(at, "metadata", "labels");
      if (!own.some((one) => isAsked(one, isMap(labels) ? labels : {}, workload.podLabels))) return [];
      const answer = await askInjector(client, mode, workload);
      return "injected" in answer ? [answer.injected.containers.length] : [];
    }),
  );
  const added = answers.flat();
  if (added.length === 0 || added.some((count) => count > 0)) return undefined;
  return {
    problem:
      `MutatingWebhookConfiguration ${webhook} is asked about new pods and adds nothing: what serves it does not ` +
      "answer, or with a certificate that its CA bundle does not fit, and is ignored then",
  };
}

async function sidecarProblem(client: ClusterClient, { namespace, sidecarDeployment }: InjectionCheck) {
  const live = await client.api.get(DEPLOYMENT, namespace, sidecarDeployment);
  if (live !== undefined) return notRolledOut(live);
  return {
    problem:
      `Deployment ${namespace}/${sidecarDeployment} (the sidecar) does not exist; ` +
      "if it has another name: pulumi config set --path restarts.sidecarDeployment <name>",
  };
}

async function webhookProblem(
  client: ClusterClient,
  { webhook }: InjectionCheck,
): Promise<InjectionProblem | undefined> {
  const type = { apiVersion: "admissionregistration.k8s.io/v1", kind: "MutatingWebhookConfiguration" };
  const live = await client.get(type, "", webhook, webhookConfiguration);
  if (live === undefined) {
    const fix = "if it has another name: pulumi config set webhook <name>";
    return { problem: `MutatingWebhookConfiguration ${webhook} does not exist; ${fix}` };
  }
  const hooks = live.webhooks ?? [];
  if (hooks.length === 0) return { problem: `MutatingWebhookConfiguration ${webhook} has no webhooks` };
  const bare = hooks.find(({ clientConfig }) => !clientConfig.caBundle);
  if (bare) {
    const why = "its certificate is not issued, or nothing fills it in";
    return { problem: `webhook ${bare.name} of MutatingWebhookConfiguration ${webhook} has no CA bundle yet (${why})` };
  }
  const services = new Map(
    hooks.flatMap(({ clientConfig: { service } }) =>
      service ? [[`${service.namespace}/${service.name}`, service]] : [],
    ),
  );
  const problems = await Promise.all([...services.values()].map((target) => serviceProblem(client, target)));
  return problems.find((problem) => problem !== undefined);
}

async function serviceProblem(client: ClusterClient, target: { name: string; namespace: string }) {
  const what = `Service ${target.namespace}/${target.name} of the webhook`;
  const found = await client.get({ apiVersion: "v1", kind: "Service" }, target.namespace, target.name, service);
  if (found === undefined) return { problem: `${what} does not exist` };
  const selector = Object.entries(found.spec.selector ?? {});
  if (selector.length === 0) return undefined; // endpoints managed by hand: nothing that could be judged
  const deployments = await client.api.list(DEPLOYMENT, target.namespace);
  const behind = deployments.filter((item) => {
    const { podLabels } = workloadFacts("Deployment", item);
    return selector.every(([key, value]) => podLabels[key] === value);
  });
  if (behind.length === 0) return { problem: `no Deployment stands behind ${what}` };
  return behind.map(notRolledOut).find((problem) => problem !== undefined);
}

/** What keeps a Deployment from being fully rolled out; undefined when nothing does. */
function notRolledOut(live: unknown): InjectionProblem | undefined {
  const facts = workloadFacts("Deployment", live);
  const { namespace, name } = facts;
  const what = `Deployment ${namespace}/${name}`;
  if (facts.replicas === 0) return { problem: `${what} is scaled to 0 replicas` };
  if (facts.rolledOut) return undefined;
  const problem = `${what} is not rolled out: ${progressOf(facts)}`;
  return { problem, workload: { kind: "Deployment", namespace, name } };
}
