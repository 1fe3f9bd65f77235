import { crds } from "./crds";
import { generated } from "./generated";
import { hooks } from "./hooks";
import { loose } from "./loose";
import { merge } from "./merge";
import { rendering } from "./rendering";
import type { Shape } from "./shape";
import { yaml } from "./yaml";

/** All shapes by kind. One chart can hold them all. */
export const SHAPES: Readonly<Record<string, readonly Shape[]>> = {
  rendering,
  generated,
  hooks,
  loose,
  merge,
  yaml,
  crds,
};
