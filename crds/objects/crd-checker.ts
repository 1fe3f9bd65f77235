import type { Crd } from "../crds";
import { dig } from "../../kubernetes/objects";
import { compileSchema, type CustomResourceChecker } from "./checker";
import { versionSchema } from "./structural";

/** What one version of a CRD does to an object. */
export function checkerOf(crd: Crd, version: string): CustomResourceChecker {
  const keepsAll = dig(crd.spec, "preserveUnknownFields") === true;
  const found = crd.spec.versions.find(({ name }) => name === version);
  return compileSchema(versionSchema(crd, version), { keepsAll, scale: dig(found, "subresources", "scale") });
}
