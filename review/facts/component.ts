import { dig } from "../../kubernetes/objects";
import { isPostgresServer } from "../../components/database-backup/postgres-server";
import { parseImage } from "../../kubernetes/image";
import { containersOf, type PodWorkload, textOf } from "../../kubernetes/pod-templates";
import { keycloakServer } from "./keycloak-server";
import type { Component } from "./schema";

/** What names the parts of a runtime. */
export interface ComponentNames {
  /** helm release, by whose name charts prefix theirs. */
  release: string;
  /** Deployment of the ext-authz sidecar. */
  sidecarDeployment: string;
}

/**
 * Which part of the runtime a workload is. Keycloak and PostgreSQL are told by what they run, because charts name them
 * as they like; the auth service and the sidecar by the names the CASA chart gives them, else by label.
 */
export function componentOf(workload: PodWorkload, names: ComponentNames): Component {
  if (workload.kind === "Deployment" && workload.name === names.sidecarDeployment) return "sidecar";
  const containers = containersOf(workload.template["spec"]).filter(({ init }) => !init);
  const images = containers.map(({ fields }) => parseImage(textOf(fields["image"]) ?? "").name.toLowerCase());
  if (keycloakServer(workload.template["spec"])) return "keycloak";
  if (containers.some(({ fields }) => isPostgresServer(fields))) return "postgres";
  const label = textOf(dig(workload.template, "metadata", "labels", "app.kubernetes.io/component"));
  const known = [label, workload.name.replace(new RegExp(`^${names.release}-`), ""), ...images];
  return known.includes("auth-service") ? "auth-service" : "other";
}
