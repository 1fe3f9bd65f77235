import { createRequire } from "node:module";
import type {
  PolicyResource,
  ResourceValidationArgs,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";

/** The SDK's own; its types leave them out as internal. */
const { unknownCheckingProxy, unknownStringValue } = createRequire(__filename)("@pulumi/policy/proxy") as {
  unknownCheckingProxy: (props: object) => unknown;
  unknownStringValue: string;
};

/**
 * Runs policies of this pack, or of a team's own, as the Policy SDK does: defaults of the config filled in, and every
 * access to a value that is not known at preview throws as it does there. A rule that lets that error through would
 * turn advisory, so here it fails the test.
 */

/** A resource as a program declares it. */
export interface TestResource {
  type: string;
  name?: string;
  /** Default: made from type and name, without a parent. */
  urn?: string;
  /** Inputs; {@link UNKNOWN} for what is not known at preview. */
  props: Record<string, unknown>;
}

/** A value that only an update knows. */
export const UNKNOWN: unknown = unknownStringValue;

/** What a policy says of one resource; empty: nothing. `notApplicable` when it says that it cannot judge. */
export function judge(
  policy: ResourceValidationPolicy,
  resource: TestResource,
  config: Record<string, unknown> = {},
): { messages: string[]; notApplicable?: string } {
  const messages: string[] = [];
  const args: ResourceValidationArgs = {
    ...argsOf(resource),
    getConfig: <T extends object>() => configOf(policy, config) as T,
  };
  try {
    for (const validate of [policy.validateResource ?? []].flat()) {
      void validate(args, (violation: unknown) => void messages.push(textOf(violation)));
    }
  } catch (error) {
    if (error instanceof NotApplicable) return { messages, notApplicable: error.message };
    throw error;
  }
  return { messages };
}

/** The same for a policy about a whole stack. */
export function judgeStack(
  policy: StackValidationPolicy,
  resources: readonly PolicyResource[],
  config: Record<string, unknown> = {},
): string[] {
  const messages: string[] = [];
  void policy.validateStack(
    {
      resources: [...resources],
      stackTags: new Map(),
      getConfig: <T extends object>() => configOf(policy, config) as T,
      notApplicable,
    },
    (violation: unknown) => void messages.push(textOf(violation)),
  );
  return messages;
}

/** A resource of a stack, with what it depends on. */
export function stackResource(
  { type, name = "test", urn = urnOf(type, name), props }: TestResource,
  dependencies: PolicyResource[] = [],
  parent?: PolicyResource,
): PolicyResource {
  return {
    ...{ type, name, urn, dependencies, parent, opts: OPTIONS, propertyDependencies: {}, provider: undefined },
    props: unknownCheckingProxy(props) as Record<string, unknown>,
    isType: () => false,
    asType: () => undefined,
  };
}

class NotApplicable extends Error {}

function notApplicable(reason?: string): never {
  throw new NotApplicable(reason);
}

const OPTIONS: ResourceValidationArgs["opts"] = {
  protect: false,
  ignoreChanges: [],
  aliases: [],
  customTimeouts: { createSeconds: 0, updateSeconds: 0, deleteSeconds: 0 },
  additionalSecretOutputs: [],
};

function argsOf({ type, name = "test", urn = urnOf(type, name), props }: TestResource) {
  return {
    ...{ type, name, urn, opts: OPTIONS, stackTags: new Map<string, string>() },
    props: unknownCheckingProxy(props) as Record<string, unknown>,
    isType: () => false,
    asType: () => undefined,
    notApplicable,
  };
}

const urnOf = (type: string, name: string) => `urn:pulumi:test::project::${type}::${name}`;

/** The defaults of the policy's settings, with the given ones over them. */
function configOf(policy: ResourceValidationPolicy | StackValidationPolicy, given: Record<string, unknown>) {
  const properties = Object.entries(policy.configSchema?.properties ?? {});
  return { ...Object.fromEntries(properties.map(([key, schema]) => [key, schema.default])), ...given };
}

/** The SDK takes a text, or an object with one. */
function textOf(violation: unknown): string {
  if (typeof violation === "string") return violation;
  return typeof violation === "object" && violation !== null && "message" in violation ? String(violation.message) : "";
}
