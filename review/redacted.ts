import type { Redactor } from "../kubernetes/redact";
import type { FoundSections } from "./report/schema";

/** Members that programs read: names of things, and words of our own. */
const IDENTIFIERS = new Set([
  ...["apiVersion", "kind", "namespace", "name", "workload", "container", "object", "path", "version", "source"],
  ...["action", "writer", "cause", "result", "strategy", "expected", "pullPolicy", "reclaimPolicy", "size"],
  ...["rule", "form", "severity", "code", "from", "to", "backup"],
]);

/** In findings about images and values `problem` is a word of ours, in refusals it is the API server's text. */
const WITH_PROBLEM = new Set([...IDENTIFIERS, "problem"]);

/** Hides secret texts wherever something foreign is quoted, and nowhere else. */
export function redacted(sections: FoundSections, redactor: Redactor): FoundSections {
  const hide = <T>(value: T) => redactor.texts(value, IDENTIFIERS);
  const { objects, rolls, images, claims, contents, databases, keycloak, breaking, crds, restarts, refusals } =
    sections;
  return {
    objects: hide(objects),
    rolls: hide(rolls),
    images: redactor.texts(images, WITH_PROBLEM),
    claims: hide(claims),
    contents: hide(contents),
    databases: redactor.texts(databases, WITH_PROBLEM),
    keycloak: hide(keycloak),
    breaking: redactor.texts(breaking, WITH_PROBLEM),
    crds: hide(crds),
    restarts: hide(restarts),
    refusals: hide(refusals),
  };
}
