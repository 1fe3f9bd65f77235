import type { InjectionFacts } from "../components/workload-restarts/injection-facts";
import type { RestartPlan } from "../components/workload-restarts/restarts";
import type { LoadedConfig } from "../config/config-load";
import type { LoadedChart } from "../helm/chart";
import type { ReleaseState } from "../helm/release";
import type { ClusterClient } from "../kubernetes/connect";
import type { LiveWorkload } from "../kubernetes/workloads";
import type { CrdInput } from "./crds";
import type { RecordInput } from "./records";

/** Everything the plan found out already; the review adds what changes in consequence. */
export interface ReviewInput {
  client: ClusterClient;
  loaded: LoadedConfig;
  stack: string;
  chart: LoadedChart;
  installed?: ReleaseState;
  crds: CrdInput;
  restarts: RestartPlan;
  /** All Deployments and StatefulSets of the namespaces that restarts are in. */
  workloads: readonly LiveWorkload[];
  /** What the injector of this moment puts into MAS pods. */
  injection: InjectionFacts;
  stamp: string;
  /** helm writes a new revision, although perhaps no object changes. */
  newRevision: boolean;
  records: Pick<RecordInput, "records" | "wanted">;
  warnings: readonly string[];
}
