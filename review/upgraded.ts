import type { HookChange } from "./hooks";
import type { ReleaseObject } from "./release-objects";

/** The release as an upgrade changes it. */
export interface Upgraded {
  readonly objects: readonly ReleaseObject[];
  readonly hooks: readonly HookChange[];
  /** Ids of the workloads whose pods are replaced. */
  readonly replaced: ReadonlySet<string>;
  /** Of objects that name none. */
  readonly namespace: string;
}
