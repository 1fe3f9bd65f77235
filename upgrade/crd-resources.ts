import { z } from "zod";
import type { ChildNames } from "../components/child-names";

const SUFFIX = "kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition::";
const answer = z.looseObject({ outputs: z.record(z.string(), z.unknown()) });

/**
 * Which CRDs are resources of a stack. They stay resources however large they are: a resource that the program no
 * longer declares would show as a deletion, although the CRD is kept.
 *
 * @param state what the engine says of the stack; where it says nothing, all of them count.
 * @param called what the resources are called.
 */
export function crdResources(state: unknown, crds: readonly string[], called: ChildNames): Set<string> {
  const parsed = answer.safeParse(state);
  if (!parsed.success) return new Set(crds);
  const urns = Object.keys(parsed.data.outputs);
  return new Set(crds.filter((name) => urns.some((urn) => urn.endsWith(`${SUFFIX}${called(name)}`))));
}
