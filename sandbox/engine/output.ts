import { z } from "zod";

/** What the engine does with a resource, e.g. `create`, `same`, `update`, `delete`, `import`, `read`, `replace`. */
const operation = z.string();

const detailedDiff = z.record(z.string(), z.looseObject({ kind: z.string() })).nullish();

const resourceState = z.looseObject({
  urn: z.string(),
  type: z.string(),
  custom: z.boolean().optional(),
  id: z.string().optional(),
  parent: z.string().optional(),
  inputs: z.record(z.string(), z.unknown()).optional(),
  outputs: z.record(z.string(), z.unknown()).optional(),
  dependencies: z.array(z.string()).optional(),
  initErrors: z.array(z.string()).optional(),
  retainOnDelete: z.boolean().optional(),
});

/** One resource as the state file records it. */
export type ResourceState = z.infer<typeof resourceState>;

const preview = z.looseObject({
  steps: z
    .array(
      z.looseObject({
        op: operation,
        urn: z.string(),
        diffReasons: z.array(z.string()).optional(),
        replaceReasons: z.array(z.string()).optional(),
        detailedDiff,
        oldState: resourceState.partial().optional(),
        newState: resourceState.partial().optional(),
      }),
    )
    .default([]),
  diagnostics: z
    .array(
      z.looseObject({ urn: z.string().optional(), message: z.string().default(""), severity: z.string().default("") }),
    )
    .default([]),
  changeSummary: z.record(z.string(), z.number()).default({}),
});

/** One step of a preview. */
export interface PreviewStep {
  op: string;
  urn: string;
  /** Type token, e.g. `kubernetes:apps/v1:Deployment`. */
  type: string;
  /** Logical name: the last part of the URN. */
  name: string;
  /** Top-level properties that differ. */
  diffReasons: string[];
  replaceReasons: string[];
  /** Property path to what happens to it, e.g. `update` or `add-replace`; empty when the provider gives none. */
  detailedDiff: Record<string, string>;
}

export interface PreviewSummary {
  steps: PreviewStep[];
  /** The steps that change something. */
  changes: PreviewStep[];
  /** Number of resources per operation. */
  counts: Record<string, number>;
  diagnostics: { urn?: string; message: string; severity: string }[];
}

/** Reads what `pulumi preview --json` prints; throws when it is not of that form. */
export function parsePreview(text: string): PreviewSummary {
  const parsed = preview.parse(JSON.parse(text));
  const steps = parsed.steps.map((step) => ({
    op: step.op,
    urn: step.urn,
    ...describeUrn(step.urn),
    diffReasons: step.diffReasons ?? [],
    replaceReasons: step.replaceReasons ?? [],
    detailedDiff: Object.fromEntries(Object.entries(step.detailedDiff ?? {}).map(([path, { kind }]) => [path, kind])),
  }));
  return {
    steps,
    changes: steps.filter(({ op }) => op !== "same" && op !== "read"),
    counts: parsed.changeSummary,
    diagnostics: parsed.diagnostics,
  };
}

/** Type and name of a resource, from a URN like `urn:pulumi:stack::project::parent$type::name`. */
function describeUrn(urn: string): { type: string; name: string } {
  const [, , types = "", ...name] = urn.split("::");
  return { type: types.slice(types.lastIndexOf("$") + 1), name: name.join("::") };
}

const step = z.looseObject({ metadata: z.looseObject({ op: operation, urn: z.string(), type: z.string() }) });

const engineEvent = z.looseObject({
  sequence: z.number(),
  /** Unix time in seconds. */
  timestamp: z.number(),
  resourcePreEvent: step.optional(),
  resOutputsEvent: step.optional(),
  resOpFailedEvent: step.optional(),
  diagnosticEvent: z
    .looseObject({
      urn: z.string().optional(),
      message: z.string(),
      severity: z.string(),
      ephemeral: z.boolean().optional(),
    })
    .optional(),
  policyEvent: z
    .looseObject({
      resourceUrn: z.string().optional(),
      message: z.string(),
      policyName: z.string(),
      enforcementLevel: z.string(),
    })
    .optional(),
  summaryEvent: z.looseObject({ resourceChanges: z.record(z.string(), z.number()).nullish() }).optional(),
});

/** One line of the engine's event log. */
export type EngineEvent = z.infer<typeof engineEvent>;

/** Reads an event log; a last line cut short by a killed engine is left out. */
export function parseEvents(text: string): EngineEvent[] {
  const lines = text.split("\n");
  // What follows the last newline is empty or incomplete.
  return lines.slice(0, -1).map((line) => engineEvent.parse(JSON.parse(line)));
}

const deployment = z.looseObject({
  version: z.number(),
  deployment: z.looseObject({
    resources: z.array(resourceState).nullish(),
    pending_operations: z.array(z.looseObject({ type: z.string(), resource: resourceState })).nullish(),
  }),
});

/** A stack's state. */
export interface StackState {
  resources: ResourceState[];
  /** Operations that were under way when an engine was killed. */
  pendingOperations: { type: string; resource: ResourceState }[];
}

/** Reads what `pulumi stack export` prints; throws when it is not of that form. */
export function parseState(text: string): StackState {
  const { resources, pending_operations } = deployment.parse(JSON.parse(text)).deployment;
  return { resources: resources ?? [], pendingOperations: pending_operations ?? [] };
}
