import { workloadId } from "../../kubernetes/workload";
import type { LiveWorkload } from "../../kubernetes/workloads";

/** A workload whose new pod the API server would refuse now, and why. */
export interface RefusedPod {
  readonly workload: Pick<LiveWorkload, "kind" | "namespace" | "name" | "strategy">;
  readonly message: string;
}

/** Those that are named before the others are only counted. */
const MOST = 5;

/** What comes of it: where an old pod goes first it may make room in a quota, and nowhere else. */
export function refusedPodWarnings(refused: readonly RefusedPod[]): string[] {
  const isFull = ({ message }: RefusedPod) => message.includes("exceeded quota");
  const hopeless = refused.filter((one) => !isFull(one));
  const full = refused.filter(isFull);
  const stuck = full.filter(({ workload }) => workload.strategy.unavailable === 0);
  const tight = full.filter(({ workload }) => workload.strategy.unavailable > 0);
  return [
    ...told(hopeless, "cannot be restarted as things are, because the API server refuses their new pods"),
    ...told(
      stuck,
      "cannot be restarted as things are: a new pod comes before an old one goes, and the quota has no room",
    ),
    ...told(
      tight,
      "have no room in their quota for one more pod, so old ones go first, and if something else takes the room" +
        " meanwhile, they do not come back",
    ),
  ];
}

function told(refused: readonly RefusedPod[], what: string): string[] {
  if (refused.length === 0) return [];
  const more = refused.length > MOST ? `, and ${refused.length - MOST} more` : "";
  const named = refused.slice(0, MOST).map(({ workload, message }) => `${workloadId(workload)} (${message})`);
  return [`workloads that ${what}: ${named.join(", ")}${more}`];
}
