import { containersOf, textOf } from "./pod-templates";

/** A container and what it runs. */
export interface ContainerImage {
  name: string;
  image: string;
  init: boolean;
}

/** The containers of a pod spec, init containers first. */
export function containerImages(podSpec: unknown): ContainerImage[] {
  return containersOf(podSpec).map(({ name, init, fields }) => ({ name, init, image: textOf(fields["image"]) ?? "" }));
}
