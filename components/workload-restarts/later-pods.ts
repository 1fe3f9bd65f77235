import { isAsked } from "../../kubernetes/webhooks";
import { workloadId } from "../../kubernetes/workload";
import { listed } from "../../shared/listed";
import { type InjectionMode, type InjectorAnswer, ownWebhooks } from "./injected";
import { type KnownInjectors, type UninjectedPods, whyNotInjected } from "./why-not-injected";

/** What has no pod now and makes some later, and what becomes of the next one as things are. */
export interface LaterPods extends UninjectedPods {
  readonly answer: InjectorAnswer;
  readonly namespaceLabels: Readonly<Record<string, string>>;
}

/** Those that are named before the others are only counted. */
const MOST = 5;

/** What a reviewer should know of pods that come later: nothing is restarted or checked when they do. */
export function laterPodWarnings(mode: InjectionMode, known: KnownInjectors, later: readonly LaterPods[]): string[] {
  const own = known.webhooks && ownWebhooks(mode, known.webhook, known.webhooks);
  // The webhook may come with this upgrade; that Istio's is missing is said once for all.
  if (own?.length === 0) return [];
  const bare = later.filter(({ answer, namespaceLabels, podLabels }) => {
    if (!("injected" in answer)) return false;
    const isMeant = mode === "istio" || (own?.some((one) => isAsked(one, namespaceLabels, podLabels)) ?? true);
    return !isMeant || answer.injected.containers.length === 0;
  });
  const without = bare.map((one) => {
    const { why, fix } = whyNotInjected(mode, known, one, one.namespaceLabels);
    return `${workloadId(one)} (${why}: ${fix})`;
  });
  const refused = later.flatMap((one) =>
    "problem" in one.answer && one.answer.problem !== "not-asked" ? [`${workloadId(one)} (${one.answer.message})`] : [],
  );
  return [
    ...told(without, "has no pods now, and the next ones would come without a proxy"),
    ...told(refused, "has no pods now, and the next ones could not be created as things are"),
  ];
}

function told(found: readonly string[], what: string): string[] {
  return found.length === 0 ? [] : [`what ${what}: ${listed(found, MOST)}`];
}
