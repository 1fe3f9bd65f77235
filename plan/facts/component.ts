import { dig } from "../objects";
import { imageName } from "../rolls/images";
import { containersOf, type PodWorkload, textOf } from "../rolls/workload";
import type { Component } from "./schema";

/** What names the parts of a runtime. */
export interface ComponentNames {
  /** helm release, by whose name charts prefix theirs. */
  release: string;
  /** Deployment of the ext-authz sidecar. */
  sidecarDeployment: string;
}

/** Image names that are something else than what they have in their name. */
const NOT_A_SERVER = /exporter|operator|backup|pgadmin|pgbouncer|config-cli|gatekeeper/;

/**
 * Which part of the runtime a workload is. Keycloak and PostgreSQL are told by what they run, because charts name them as
 * they like; the auth service and the sidecar by the names the CASA chart gives them, else by label.
 */
export function componentOf(workload: PodWorkload, names: ComponentNames): Component {
  if (workload.kind === "Deployment" && workload.name === names.sidecarDeployment) return "sidecar";
  const images = containersOf(workload.template["spec"])
    .filter(({ init }) => !init)
    .map(({ fields }) => imageName(textOf(fields["image"]) ?? "").toLowerCase());
  const runs = (part: RegExp) => images.some((image) => part.test(image) && !NOT_A_SERVER.test(image));
  if (runs(/keycloak|(^|-)rhbk|(^|-)sso\d/)) return "keycloak";
  if (runs(/postgres|postgis|timescale|spilo|pgvector/)) return "postgres";
  const label = textOf(dig(workload.template, "metadata", "labels", "app.kubernetes.io/component"));
  const known = [label, workload.name.replace(new RegExp(`^${names.release}-`), ""), ...images];
  return known.includes("auth-service") ? "auth-service" : "other";
}

/** The registry of an image: its first part where that is a host, by the rule of the container runtimes. */
export function registryOf(image: string): string {
  const [first = "", ...rest] = image.split("/");
  const isHost = rest.length > 0 && (/[.:]/.test(first) || first === "localhost");
  return isHost ? first.toLowerCase() : "docker.io";
}
