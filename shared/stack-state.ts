import * as pulumi from "@pulumi/pulumi";

/** What the engine says of the resources in a stack's state; undefined when it does not say. */
export function readStackState(stack: string): Promise<unknown> {
  return pulumi.runtime.invoke("pulumi:pulumi:readStackResourceOutputs", { stackName: stack }).catch(() => undefined);
}
