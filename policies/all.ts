import type { Policies } from "@pulumi/policy";
import { authServiceAvailable } from "./auth-service";
import { crdsBeforeChart, crdsCompatible, crdsManaged } from "./crds";
import { databaseDataKept, databaseMajorKept, dataKept } from "./data";
import { imageRegistries, imagesPinned } from "./images";
import { keycloakClustered, keycloakHighlyAvailable, keycloakVersion } from "./keycloak";
import { passwordsStrong, secretsEncrypted } from "./passwords";
import { postgresBackup, postgresVolume } from "./postgres";
import { releaseSettings } from "./release-settings";
import { namespacesLabelled, restartsGentle, sidecarHighlyAvailable } from "./restarts";
import { casaReleaseReviewed } from "./reviewed";
import { valuesKnown, versionSteps } from "./versions";

/** Every policy of the pack, in the order in which docs/policies.md lists them. */
export const allPolicies: Policies = [
  keycloakHighlyAvailable,
  keycloakClustered,
  keycloakVersion,
  postgresBackup,
  postgresVolume,
  dataKept,
  databaseDataKept,
  databaseMajorKept,
  crdsCompatible,
  crdsManaged,
  crdsBeforeChart,
  restartsGentle,
  sidecarHighlyAvailable,
  namespacesLabelled,
  imagesPinned,
  imageRegistries,
  passwordsStrong,
  secretsEncrypted,
  versionSteps,
  valuesKnown,
  releaseSettings,
  authServiceAvailable,
  casaReleaseReviewed,
];
