import { ConfigMap } from "@pulumi/kubernetes/core/v1/configMap";
import type { local } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import {
  type Ended,
  type GateResult,
  type LeftAlone,
  leftAlone,
  parseGateResult,
  reasonOf,
  refuseHeldUp,
} from "./ended";
import { patchResource, restartRollout } from "./patch-resource";
import { adoptedPatch, restartAt, restartPatch } from "./restart-patch";
import type { RecordedStamp, RestartPlan, RestartTarget } from "./restarts";
import { pendingGroups } from "./restarts";
import type { ChildNames } from "../child-names";
import { workloadId } from "../../kubernetes/workload";
import { helperCommand } from "../helper-command";
import type { GateJob } from "./gate-job";
import type { InjectionJob } from "./injection-job";
import { skippedInWords, type SkipReason, skipText } from "./skipped";
import type { SoakJob } from "./soak-job";
import { type QueueItem, type Soak, stagesOf } from "./stages";
import { areTaken, onceTaken, Turns } from "./turns";
import { type ClusterAccess, program } from "../../shared/shell";

/** Resources that are declared before the engine has taken the first of them. */
const IN_FLIGHT = 16;

/** What a restart waits for. */
type After = pulumi.Resource[] | Promise<pulumi.Resource[]>;

/** The restarts as the engine is told of them. */
interface Declared {
  readonly gates: Promise<pulumi.Resource[]>;
  /** What came of those that had a turn. */
  readonly ended: pulumi.Output<Ended[]>;
}

/** What {@link WorkloadRestarts} restarts. */
export interface WorkloadRestartsArgs {
  /** Which workloads, in which order, and which not. */
  readonly plan: RestartPlan;
  /** Hash of the injected configuration; written to each workload's pod template. */
  readonly stamp: string;
  /** Workloads that may be between first patch and fully available at any moment. */
  readonly maxConcurrent: number;
  /** How long the canaries must stay available before anything else is restarted, in seconds. */
  readonly canarySoakSeconds: number;
  /** Longest wait for one workload, in seconds. */
  readonly timeoutSeconds: number;
  /** The check that new pods will really get the new configuration, run before the first restart. */
  readonly injection: Omit<InjectionJob, "stamp">;
  readonly access: ClusterAccess;
  /** What the resources of workloads and of the record are called. */
  readonly called: ChildNames;
  /** What time it is on the cluster; asked when an Argo Rollout's turn comes. */
  readonly now: () => Promise<Date>;
  /** Since when all pods of a workload are new, if somebody else restarted it in time; asked when its turn comes. */
  readonly newSince: (target: RestartTarget) => Promise<string | undefined>;
  /** Why a workload must be left alone by now; asked when its turn comes. `namedBy`: who names it. */
  readonly lookAgain: (target: RestartTarget, namedBy: string) => Promise<SkipReason | undefined>;
  /** ConfigMap that remembers for which configuration all workloads were restarted. */
  readonly record: { readonly name: string; readonly exists: boolean };
}

/**
 * Restarts the MAS workloads whose injected configuration changed: at most `maxConcurrent` at once, one system after
 * the other, the first failure stops the rest.
 *
 * Each workload is a Patch that writes the stamp to its pod template, and a gate of its own that waits until every pod
 * is of the new template, ready, and carries what the injector of that moment injects; the provider's wait for a
 * patched Deployment is no gate (docs/provider-facts.md). The engine is told of a workload when there is a place for
 * it, and its state says which are done. Because the stamp is a hash, patching twice restarts once: a run that was
 * killed goes on where it was.
 *
 * Nothing is restarted on `destroy`: the patches are retained, giving the annotation up would roll the pods again.
 */
export class WorkloadRestarts extends pulumi.ComponentResource {
  /** Workloads that run under this configuration because they were restarted for it. */
  readonly restarted: pulumi.Output<string[]>;
  /** Workloads left alone, and why. */
  readonly skipped: pulumi.Output<{ workload: string; reason: string }[]>;

  constructor(name: string, args: WorkloadRestartsArgs, opts?: pulumi.ComponentResourceOptions) {
    super(
      "casa-upgrade:index:WorkloadRestarts",
      name,
      {
        stamp: args.stamp,
        ...(args.plan.reason === undefined ? {} : { reason: args.plan.reason }),
        maxConcurrent: args.maxConcurrent,
        timeoutSeconds: args.timeoutSeconds,
        groups: args.plan.groups.map(({ name: group, targets }) => ({ group, workloads: targets.map(workloadId) })),
        skipped: skippedInWords(args.plan.skipped),
      },
      opts,
    );

    const all = args.plan.groups.flatMap(({ targets }) => targets);
    const start = all.length > 0 ? [this.injectionReady(name, args)] : [];
    const { gates, ended } = this.restartAll(name, args, start);
    const left = ended.apply(leftAlone);
    const record = this.record(args, gates, left);
    // Known once every gate is passed: a run that fails lists nothing that it did not finish.
    const isLeft = ({ skipped }: LeftAlone, id: string) => skipped.some(({ workload }) => workload === id);
    const ofAll = pulumi
      .all([left, onceEnded(gates, () => Promise.resolve(all.map(workloadId).sort()))])
      .apply(([after, ids]) => ids.filter((id) => !isLeft(after, id)));
    // What was held up fails the run, but only when all else is done and recorded.
    this.restarted = pulumi.all([left, ofAll, record.urn]).apply(([after, ids]) => {
      refuseHeldUp(after);
      return ids;
    });
    this.skipped = left.apply(({ skipped }) => skippedInWords([...args.plan.skipped, ...skipped]));
    this.registerOutputs({ restarted: this.restarted, skipped: this.skipped });
  }

  /** Declares every restart with its place in the queue; the gates are passed when all is done. */
  private restartAll(name: string, args: WorkloadRestartsArgs, start: pulumi.Resource[]): Declared {
    const stages = stagesOf(args.plan, args.canarySoakSeconds);
    // Restarted by an earlier run: declared again so that they stay in state, without a place in the queue.
    const done = args.plan.groups
      .flatMap(({ targets }) => targets)
      .filter((target) => target.done)
      .map((target) => () => this.restart(target, args, start));
    // A preview carries nothing out, so its restarts need not wait for each other; a thousand that do take 15 s longer.
    // Their order is in this component's inputs either way.
    if (pulumi.runtime.isDryRun()) {
      const declare = (item: QueueItem) =>
        "soak" in item ? this.soak(name, item.soak, args, start) : this.restart(item.restart, args, start);
      const gates = inParts([...stages.flat().map((item) => () => declare(item)), ...done]);
      return { gates, ended: pulumi.output([]) };
    }
    const turns = new Turns(
      stages.map((stage) => stage.length),
      args.maxConcurrent,
    );
    const ended: pulumi.Output<Ended>[] = [];
    const rest = inParts(done);
    const items = stages.flat().map(async (item, i) => {
      const after = [...start, ...(await turns.of(i))];
      const gate =
        "soak" in item
          ? withoutStackTraces(() => this.soak(name, item.soak, args, after, [...ended]))
          : await this.inTurn(item.restart, args, after, ended);
      turns.endsWith(i, gate);
      return gate ?? [];
    });
    const gates = Promise.all([...items, rest]).then((all) => all.flat());
    return { gates, ended: pulumi.output(gates).apply(() => pulumi.all(ended)) };
  }

  /** Restarts a workload whose turn has come, unless there is nothing to restart any more. */
  private async inTurn(
    target: RestartTarget,
    args: WorkloadRestartsArgs,
    after: pulumi.Resource[],
    ended: pulumi.Output<Ended>[],
  ): Promise<pulumi.Resource | undefined> {
    const group = args.plan.groups.find(({ targets }) => targets.includes(target))?.name ?? "";
    // After a failure it is declared all the same: the engine leaves out what depends on what failed.
    const left = (await areTaken(after)) ? await args.lookAgain(target, group) : undefined;
    if (left) {
      void pulumi.log.warn(`${workloadId(target)} is not restarted: ${skipText(left)}`, this);
      ended.push(pulumi.output({ target, left }));
      return undefined;
    }
    const gate = withoutStackTraces(() => this.restart(target, args, after));
    ended.push(gate.stdout.apply((stdout) => this.endedOf(target, group, parseGateResult(stdout))));
    return gate;
  }

  private endedOf(target: RestartTarget, group: string, result: GateResult | undefined): Ended {
    // Of those that were broken before, what the gate says is shown while it runs.
    if (result && !target.brokenBefore) void pulumi.log.warn(result.told, this);
    return { target, patched: true, ...(result?.left ? { left: reasonOf(result.left, group) } : {}) };
  }

  /** Watches the canaries for a while before the others follow. */
  private soak(
    name: string,
    { canaries, seconds }: Soak,
    args: WorkloadRestartsArgs,
    after: After,
    ended: pulumi.Output<Ended>[] = [],
  ): pulumi.Resource {
    const job = pulumi.all(ended).apply((all): SoakJob => {
      const left = all.filter((one) => one.left).map(({ target }) => workloadId(target));
      const watched = canaries.filter((target) => !left.includes(workloadId(target)));
      return { canaries: watched.map((target) => gateJobOf(target, args)), seconds };
    });
    return helperCommand(
      `${name}-canaries-stay-available`,
      {
        line: program("soak", args.access),
        access: args.access,
        job,
        idle: seconds === 0,
        logging: "stderr",
      },
      { parent: this, dependsOn: after },
    );
  }

  /** Pods restarted before the injector (or the sidecar they talk to) is ready would keep the old configuration. */
  private injectionReady(name: string, args: WorkloadRestartsArgs): pulumi.Resource {
    const job: InjectionJob = { ...args.injection, stamp: args.stamp };
    return helperCommand(
      `${name}-injection-ready`,
      {
        line: program("injection", args.access),
        access: args.access,
        job,
        idle: pendingGroups(args.plan).length === 0,
        logging: "none",
      },
      { parent: this },
    );
  }

  private restart(target: RestartTarget, args: WorkloadRestartsArgs, after: After): local.Command {
    const id = args.called(workloadId(target));
    const opts = { parent: this, dependsOn: after, retainOnDelete: true };
    const patch = this.patch(id, target, args, after, opts);
    const { brokenBefore } = target;
    const job = gateJobOf(target, args);
    return helperCommand(
      `${id}-available`,
      {
        line: program("restart-gate", args.access),
        access: args.access,
        job,
        idle: target.done,
        logging: brokenBefore ? "stderr" : "none",
      },
      { parent: this, dependsOn: [patch] },
    );
  }

  private patch(
    id: string,
    target: RestartTarget,
    { stamp, now, newSince }: WorkloadRestartsArgs,
    after: After,
    opts: pulumi.CustomResourceOptions,
  ): pulumi.Resource {
    const { kind, moment } = target;
    if (kind === "Rollout") {
      // Not known in a preview.
      const known = pulumi.runtime.isDryRun() ? (pulumi.unknown as string) : onceEnded(after, now).apply(restartAt);
      return restartRollout(id, target, stamp, moment ?? known, opts);
    }
    if (moment === undefined && !target.reloads)
      return patchResource(id, kind, target, restartPatch(stamp, target), opts);
    const since = moment ?? (pulumi.runtime.isDryRun() ? undefined : onceEnded(after, () => newSince(target)));
    const written = pulumi
      .output(since)
      .apply((at) => (at === undefined ? restartPatch(stamp, target) : adoptedPatch(stamp, target, at)));
    return patchResource(id, kind, target, written, opts);
  }

  /** Written last: from then on a workload without a stamp is known to run under this configuration. */
  private record(args: WorkloadRestartsArgs, gates: After, left: pulumi.Output<LeftAlone>): ConfigMap {
    const { stamp, plan } = args;
    const recorded = left.apply(({ stale }) => ({
      ...{ stamp, reason: plan.reason },
      stale: [...new Set([...plan.stale, ...stale])].sort(),
    }));

    return restartRecord(args.called(args.record.name), args.record, args.injection.namespace, recorded, {
      parent: this,
      dependsOn: gates,
    });
  }
}

/**
 * A ConfigMap that remembers what unstamped workloads run under; see components/workload-restarts/restart-record.ts for
 * how it is read.
 */
export function restartRecord(
  name: string,
  at: { readonly name: string; readonly exists: boolean },
  namespace: string,
  recorded: pulumi.Input<RecordedStamp>,
  opts: pulumi.CustomResourceOptions,
): ConfigMap {
  const data = pulumi.output(recorded).apply(({ stamp, stale, reason }) => ({
    ...{ stamp, stale: JSON.stringify(stale) },
    ...(reason === undefined ? {} : { reason }),
  }));
  return new ConfigMap(
    name,
    { metadata: { name: at.name, namespace }, data },
    { ...opts, import: at.exists ? `${namespace}/${at.name}` : undefined },
  );
}

/**
 * Declares resources as fast as the engine takes them. What the SDK keeps of one until then is some 150 KB, and while a
 * thousand are declared at once the engine has nothing to do.
 */
async function inParts(declarations: readonly (() => pulumi.Resource)[]): Promise<pulumi.Resource[]> {
  const all: pulumi.Resource[] = [];
  for (const declare of declarations) {
    const before = all.at(-IN_FLIGHT);
    // One that is refused ends the run by itself.
    if (all.length >= IN_FLIGHT && before) await new Promise<void>((resolve) => onceTaken(before, resolve, resolve));
    all.push(withoutStackTraces(declare));
  }
  return all;
}

/**
 * The SDK notes a stack trace for each promise it makes, about a hundred for one resource, and shows them to whoever
 * looks for promises that leak. A thousand workloads spent 5 s and 100 MiB on them. Where a resource was declared is
 * noted all the same.
 */
function withoutStackTraces<T>(declare: () => T): T {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return declare();
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

function gateJobOf(target: RestartTarget, { stamp, timeoutSeconds, injection }: WorkloadRestartsArgs): GateJob {
  const { kind, namespace, name, again, reason, brokenBefore } = target;
  return { kind, namespace, name, stamp, again, reason, brokenBefore, mode: injection.mode, timeoutSeconds };
}

/** What comes of a question that is put once a turn has come. */
function onceEnded<T>(after: After, ask: () => Promise<T>): pulumi.Output<T> {
  const ended = pulumi.output(after).apply((all) => pulumi.all(all.map(({ urn }) => urn)));
  return ended.apply<T>(ask);
}
