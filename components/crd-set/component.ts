import {
  CustomResourceDefinition,
  type CustomResourceDefinitionArgs,
} from "@pulumi/kubernetes/apiextensions/v1/customResourceDefinition";
import * as pulumi from "@pulumi/pulumi";
import { shortDigest } from "../../shared/digest";
import { helperCommand, isInRun } from "../helper-command";
import type { ChildNames } from "../child-names";
import type { PlannedCrd } from "../../crds/crds";
import { type ClusterAccess, kubectl } from "../../shared/shell";

/** At a preview the provider sends what it would apply as a dry-run. */
function manifestOf({ manifest, asked }: PlannedCrd) {
  return pulumi.runtime.isDryRun() ? (asked ?? manifest) : manifest;
}

/** What {@link CrdSet} applies. */
export interface CrdSetArgs {
  /** CRDs of the chart version that is being installed. */
  readonly crds: readonly PlannedCrd[];
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
    super(
      "casa-upgrade:index:CrdSet",
      name,
      {
        crds: args.crds.map((crd) => ({ name: crd.name, digest: shortDigest(crd.manifest) })),
        retained: args.dropped,
        timeoutSeconds: args.timeoutSeconds,
      },
      opts,
    );

    const applied = args.crds.map(
      (crd) =>
        new CustomResourceDefinition(
          args.called(crd.name),
          // The schema of a CRD is free-form JSON that the provider's input type spells out; zod has checked its frame.
          manifestOf(crd) as unknown as CustomResourceDefinitionArgs,
          { parent: this, retainOnDelete: true, import: crd.exists ? crd.name : undefined },
        ),
    );

    this.isInRun = names.length > 0 ? this.established(name, args, names, applied) : pulumi.output(true);
    this.applied = pulumi.output(names);
    this.retained = pulumi.output([...args.dropped]);
    this.registerOutputs({ applied: this.applied, retained: this.retained });
  }

  /** The provider does not wait for CRDs (docs/provider-facts.md), so a gate of our own does. */
  private established(name: string, args: CrdSetArgs, names: string[], applied: pulumi.Resource[]) {
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
      job: { specs: shortDigest(args.crds.map((crd) => crd.manifest.spec)) },
      idle: args.established,
      logging: "none" as const,
    };
    return isInRun(helperCommand(`${name}-established`, command, { parent: this, dependsOn: applied }), command);
  }
}
