import * as pulumi from "@pulumi/pulumi";

type DependsOn = pulumi.ResourceOptions["dependsOn"];

/** What the SDK reads of a component when something depends on it. */
interface ComponentState {
  readonly __data?: Promise<unknown>;
  readonly __childResources?: Iterable<pulumi.Resource>;
}

/**
 * Waits until all that `dependsOn` names is done, the children of components included.
 *
 * The engine waits as well, but with declaring resources; what is read for a plan is read before.
 */
export async function finished(dependsOn: DependsOn): Promise<void> {
  await Promise.all((await resourcesOf(dependsOn)).map((one) => whole(one, new Set())));
}

async function resourcesOf(dependsOn: DependsOn): Promise<pulumi.Resource[]> {
  const given = await promiseOf(dependsOn);
  const list = Array.isArray(given) ? (given as pulumi.Input<pulumi.Resource>[]) : [given];
  const all = await Promise.all(list.map(promiseOf));
  return all.filter((one) => pulumi.Resource.isInstance(one));
}

async function whole(resource: pulumi.Resource, seen: Set<pulumi.Resource>): Promise<void> {
  if (seen.has(resource)) return;
  seen.add(resource);
  await promiseOf(pulumi.CustomResource.isInstance(resource) ? resource.id : resource.urn);
  if (!pulumi.ComponentResource.isInstance(resource)) return;
  const component = resource as unknown as ComponentState;
  // A component may declare its children late, as ours does; they are all there then.
  await component.__data;
  await Promise.all([...(component.__childResources ?? [])].map((child) => whole(child, seen)));
}

/** The value of an input. Unlike `apply` it also ends when a preview does not know it, and when the output failed. */
function promiseOf(input: unknown): Promise<unknown> {
  if (pulumi.Output.isInstance(input)) return (input as unknown as { promise(): Promise<unknown> }).promise();
  return Promise.resolve(input);
}
