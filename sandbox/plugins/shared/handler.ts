/**
 * The contract between the gRPC plumbing of an embedded plugin and the code that knows one kind of resource.
 *
 * Property values arrive as plain JSON values, with two exceptions: a value the engine does not know yet is {@link
 * UNKNOWN}, and a secret is wrapped in {@link Secret} (only on the way out; inputs arrive unwrapped, the plumbing marks
 * outputs secret whose input path was secret).
 */

/** A value that is known only after an earlier resource was created; arrives in previews only. */
export const UNKNOWN: unique symbol = Symbol("unknown");

/** An output that must never be shown or stored in clear. */
export class Secret {
  constructor(readonly value: unknown) {}
}

/** Inputs or outputs of one resource. */
export type Properties = Record<string, unknown>;

/** A map of properties, as opposed to a list and to null. */
export function isMap(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** One rejected input: `property` is a Pulumi property path such as `spec.replicas`. */
export interface CheckFailure {
  property: string;
  reason: string;
}

export type DiffKind = "add" | "add-replace" | "delete" | "delete-replace" | "update" | "update-replace";

export interface DiffResult {
  changes: boolean;
  /** Property path to what happens to it. A `*-replace` kind makes the engine replace the resource. */
  detailed: Record<string, DiffKind>;
  deleteBeforeReplace?: boolean;
}

/** What every operation gets. */
export interface OperationContext {
  urn: string;
  /** Resource type token, e.g. `kubernetes:apps/v1:Deployment`. */
  type: string;
  /** True while `pulumi preview` runs: nothing may change. */
  preview: boolean;
  /** The resource's custom timeout in seconds; 0 when none is set. */
  timeoutSeconds: number;
  /** Shows a line in the engine's progress display, next to the resource. */
  status(message: string): void;
  /** Shows a line that stays in the run's diagnostics. */
  info(message: string): void;
  /** Shows a warning that stays in the run's diagnostics. */
  warn(message: string): void;
  /** Aborted when the engine cancels the run (Ctrl-C). */
  signal: AbortSignal;
}

/** The resource exists but did not become ready: the engine records it with these reasons and tries again next time. */
export class InitError extends Error {
  constructor(
    readonly id: string,
    readonly state: Properties,
    readonly inputs: Properties,
    readonly reasons: string[],
  ) {
    super(reasons.join("; "));
  }
}

/** Implements one resource type, or a family of them. */
export interface ResourceHandler {
  check(
    ctx: OperationContext,
    olds: Properties | undefined,
    news: Properties,
  ): Promise<{ inputs: Properties; failures: CheckFailure[] }>;
  diff(
    ctx: OperationContext,
    id: string,
    oldInputs: Properties,
    oldState: Properties,
    news: Properties,
    ignoreChanges: string[],
  ): Promise<DiffResult>;
  create(ctx: OperationContext, inputs: Properties): Promise<{ id: string; state: Properties }>;
  update(
    ctx: OperationContext,
    id: string,
    oldInputs: Properties,
    oldState: Properties,
    inputs: Properties,
  ): Promise<{ state: Properties }>;
  /** `inputs` and `state` are empty for an import. Resolves to undefined when the object does not exist. */
  read(
    ctx: OperationContext,
    id: string,
    inputs: Properties,
    state: Properties,
  ): Promise<{ id: string; inputs: Properties; state: Properties } | undefined>;
  delete(ctx: OperationContext, id: string, inputs: Properties, state: Properties): Promise<void>;
}
