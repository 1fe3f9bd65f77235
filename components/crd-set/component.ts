import {
  CustomResourceDefinition,
  type CustomResourceDefinitionArgs,
} from "@pulumi/kubernetes/apiextensions/v1/customResourceDefinition";
import * as pulumi from "@pulumi/pulumi";
import { shortDigest } from "../../shared/digest";
import { helperCommand, isInRun } from "../helper-command";
import type { ChildNames } from "../child-names";
import type { PlannedCrd } from "../../crds/crds";
import { type ClusterAccess, kubectl, program } from "../../shared/shell";
import { type CrdsJob, pack } from "./job";

/** At a preview the provider sends what it would apply as a dry-run. */
function manifestOf({ manifest, asked }: PlannedCrd) {
  return pulumi.runtime.isDryRun() ? (asked ?? manifest) : manifest;
}

/** As policies and the state see a CRD; `resource` is there only where it is false. */
interface RecordedCrd {
  name: string;
  digest: string;
  resource?: false;
}

function recorded({ name, manifest, byCommand }: PlannedCrd): RecordedCrd {
  return { name, digest: shortDigest(manifest), ...(byCommand ? { resource: false } : {}) };
}

/** What {@link CrdSet} applies. */
export interface CrdSetArgs {
  /** CRDs of the chart version that is being installed. */
  readonly crds: readonly PlannedCrd[];
  /** Names of those that this run creates or changes. */
  readonly changed: readonly string[];
  /** CRDs on the cluster that an earlier chart version brought and this one does not ship; they stay. */
  readonly dropped: readonly string[];
  /** No CRD changes, and all are Established already. */
  readonly established: boolean;
  /** What the CRDs' resources are called. */
  readonly called: ChildNames;
  /** How the wait for `Established` reaches the cluster. */
  readonly access: ClusterAccess;
  /** Longest wait for all CRDs to be Established, in seconds. */
  readonly timeoutSeconds: number;
}

/**
 * The CRDs of the configured chart version, applied before the chart and Established before anything that depends on
 * this component starts.
 *
 * - Full CustomResourceDefinition resources, named by CRD name: helm never upgrades CRDs, and a Patch resource would
 *   give fields up when it is deleted.
 * - Large ones are written by one command instead, which is told those that change: the engine takes some seconds for
 *   each megabyte of a resource. What becomes of them is in the review, as for all.
 * - A CRD that exists is adopted (`import`), also when an earlier roll-back dropped it from state.
 * - Never deleted: `destroy` and versions that no longer ship a CRD only forget it, because deleting a CRD deletes
 *   every custom resource of its kind.
 */
export class CrdSet extends pulumi.ComponentResource {
  /** Names of the CRDs applied. */
  readonly applied: pulumi.Output<string[]>;
  /** Names of CRDs of earlier versions that stay on the cluster although this version does not ship them. */
  readonly retained: pulumi.Output<string[]>;
  /** False when this run changes CRDs, and `--target` left them out. */
  readonly isInRun: pulumi.Output<boolean>;

  constructor(name: string, args: CrdSetArgs, opts?: pulumi.ComponentResourceOptions) {
    const names = args.crds.map((crd) => crd.name);
    const crds = args.crds.map(recorded);
    super(
      "casa-upgrade:index:CrdSet",
      name,
      {
        crds,
        retained: args.dropped,
        timeoutSeconds: args.timeoutSeconds,
      },
      opts,
    );

    const applied = args.crds.filter(({ byCommand }) => !byCommand).map((crd) => this.resource(crd, args));
    const large = args.crds.filter(({ byCommand }) => byCommand);
    // Known by what differs on the cluster, which is no part of a command's inputs.
    const occasion = new Date().toISOString();
    const written = large.length > 0 ? [this.written(name, args, large, { crds, occasion })] : [];
    const steps = [...applied, ...written.map(({ command }) => command)];
    const again = large.some((crd) => args.changed.includes(crd.name)) ? { occasion } : {};
    const established = names.length > 0 ? [this.established(name, args, names, steps, again)] : [];
    this.isInRun = pulumi
      .all([...written.map((one) => one.isInRun), ...established])
      .apply((all) => all.every(Boolean));
    this.applied = pulumi.output(names);
    this.retained = pulumi.output([...args.dropped]);
    this.registerOutputs({ applied: this.applied, retained: this.retained });
  }

  private resource(crd: PlannedCrd, { called }: CrdSetArgs): pulumi.Resource {
    return new CustomResourceDefinition(
      called(crd.name),
      // The schema of a CRD is free-form JSON that the provider's input type spells out; zod has checked its frame.
      manifestOf(crd) as unknown as CustomResourceDefinitionArgs,
      { parent: this, retainOnDelete: true, import: crd.exists ? crd.name : undefined },
    );
  }

  private written(
    name: string,
    { access, changed }: CrdSetArgs,
    large: readonly PlannedCrd[],
    { crds, occasion }: { crds: readonly RecordedCrd[]; occasion: string },
  ) {
    const toWrite = large.filter((crd) => changed.includes(crd.name));
    const job: CrdsJob = {
      crds: crds.flatMap(({ resource, ...crd }) => (resource === false ? [crd] : [])),
      manifests: pack(toWrite.map(({ manifest }) => manifest)),
      occasion,
    };
    const args = { line: program("crds", access), access, job, idle: toWrite.length === 0 };
    const command = helperCommand(`${name}-large`, args, { parent: this });
    return { command, isInRun: isInRun(command, args) };
  }

  /** The provider does not wait for CRDs (docs/provider-facts.md), so a gate of our own does. */
  private established(name: string, args: CrdSetArgs, names: string[], applied: pulumi.Resource[], again: object) {
    const what = names.map((crd) => `customresourcedefinition/${crd}`);
    const wait = kubectl(
      args.access,
      "wait",
      "--for=condition=Established",
      `--timeout=${args.timeoutSeconds}s`,
      ...what,
    );
    const columns = "CRD:.metadata.name,CONDITIONS:.status.conditions[*].type,MESSAGES:.status.conditions[*].message";
    const explain = kubectl(args.access, "get", ...what, "--output", `custom-columns=${columns}`);
    const command = {
      line: `${wait} || { ${explain} >&2; exit 1; }`,
      access: args.access,
      job: { specs: shortDigest(args.crds.map((crd) => crd.manifest.spec)), ...again },
      idle: args.established,
      logging: "none" as const,
    };
    return isInRun(helperCommand(`${name}-established`, command, { parent: this, dependsOn: applied }), command);
  }
}
