import { Release } from "@pulumi/kubernetes/helm/v3/release";
import * as pulumi from "@pulumi/pulumi";

/** What {@link RuntimeRelease} installs. */
export interface RuntimeReleaseArgs {
  /** Helm release name. */
  readonly release: string;
  /** Namespace of the release. */
  readonly namespace: string;
  /** Local folder or package, `oci://…`, or a chart name together with `repository`. */
  readonly chart: string;
  /** Chart repository URL. */
  readonly repository?: string;
  /** Exact chart version. */
  readonly version: string;
  /** Hash of what the chart renders; a changed template without a new version shows by it. */
  readonly digest: string;
  /** Description of the revision; it holds the digest, so that the provider sees a changed template. */
  readonly description: string;
  /** All values, merged; secret leaves are secret outputs. */
  readonly values: pulumi.Input<Record<string, unknown>>;
  /** The values hold a null, which removes a chart default. */
  readonly hasNullValues: boolean;
  /** The release exists on the cluster, so it is adopted. */
  readonly exists: boolean;
  /** Revisions that `helm history` keeps. */
  readonly maxHistory: number;
  /** Longest wait for all workloads of the release, in seconds. */
  readonly timeoutSeconds: number;
  /**
   * Says why an upgrade failed: the failing workloads, their pods' states and events, what the migration said, how to
   * go back.
   */
  readonly explain: () => Promise<string>;
  /**
   * Runs right before helm changes anything; what it throws stops the upgrade of the chart, and a later run begins with
   * it again. Not in a preview, and not when helm has nothing to do.
   */
  readonly lastLook: () => Promise<void>;
  /** Runs when helm has done its work well. */
  readonly done: () => void;
}

/**
 * The CASA runtime as a Helm release: `helm history` stays true, because helm itself does the upgrade and the waiting.
 *
 * - Adopts an existing `helm install` by `import`, and upgrades it in the same run.
 * - `skipCrds`: CRDs belong to CrdSet.
 * - The digest of what the chart renders is the revision's description. The provider compares inputs only and would
 *   not see a template that changed without a version bump.
 * - A last look right before helm changes anything.
 * - When helm's wait fails, the error names the failing workload instead of "context deadline exceeded" alone.
 */
export class RuntimeRelease extends pulumi.ComponentResource {
  /** Chart version that is installed once this component is done. */
  readonly version: pulumi.Output<string>;
  /** Number of helm's revision; unknown at preview when a new one will be made. */
  readonly revision: pulumi.Output<number>;
  /** Helm's state of the release, `deployed` when all is well. */
  readonly status: pulumi.Output<string>;

  constructor(name: string, args: RuntimeReleaseArgs, opts?: pulumi.ComponentResourceOptions) {
    super(
      "casa-upgrade:index:RuntimeRelease",
      name,
      {
        release: args.release,
        namespace: args.namespace,
        chart: args.chart,
        repository: args.repository,
        version: args.version,
        digest: args.digest,
        maxHistory: args.maxHistory,
        timeoutSeconds: args.timeoutSeconds,
      },
      opts,
    );

    let stopped = false;
    const lastLook = new pulumi.ResourceHook(`${name}-last-look`, async () => {
      try {
        await args.lastLook();
      } catch (error) {
        stopped = true;
        throw error;
      }
    });
    const explain = new pulumi.ErrorHook(`${name}-explain`, async () => {
      // The release is as it was, so its workloads explain nothing.
      if (!stopped) await pulumi.log.error(await args.explain(), this);
      return false; // the user fixes the cause and runs up again; a blind retry would only wait once more
    });
    const release = new Release(
      name,
      {
        name: args.release,
        namespace: args.namespace,
        chart: args.chart,
        ...(args.repository ? { repositoryOpts: { repo: args.repository } } : {}),
        version: args.version,
        values: args.values,
        ...(args.hasNullValues ? { allowNullValues: true } : {}),
        skipCrds: true,
        // Without it helm brings the previous revision's values back whenever the configured ones are empty.
        resetValues: true,
        // Matters to an install only; the same in every run, so that the run after an install changes nothing.
        createNamespace: true,
        maxHistory: args.maxHistory,
        timeout: args.timeoutSeconds,
        description: args.description,
      },
      {
        parent: this,
        import: args.exists ? `${args.namespace}/${args.release}` : undefined,
        // helm's own time-out ends the wait; the engine's must not cut it short.
        customTimeouts: timeouts(args.timeoutSeconds + 60),
        hooks: { beforeCreate: [lastLook], beforeUpdate: [lastLook], onError: [explain] },
      },
    );

    this.version = release.status.version;
    this.revision = release.status.revision;
    this.status = release.status.status.apply((status) => {
      args.done();
      return status;
    });
    this.registerOutputs({ version: this.version, status: this.status });
  }
}

function timeouts(seconds: number): pulumi.CustomTimeouts {
  return { create: `${seconds}s`, update: `${seconds}s`, delete: `${seconds}s` };
}
