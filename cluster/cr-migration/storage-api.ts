import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Crd } from "../../plan/crds";
import { ApiError } from "../api";
import type { ClusterClient } from "../connect";

/** The storage migration API, the newest form first; off by default in Kubernetes 1.30 to 1.34, where it is alpha. */
const GROUP = "storagemigration.k8s.io";
const FORMS = ["v1", "v1beta1", "v1alpha1"];
const KIND = "StorageVersionMigration";

const migration = z.looseObject({
  metadata: z.looseObject({ name: z.string() }),
  status: z
    .looseObject({
      conditions: z
        .array(z.looseObject({ type: z.string(), status: z.string(), message: z.string().optional() }))
        .nullish(),
    })
    .nullish(),
});

/**
 * Lets the cluster store all objects of a kind anew.
 *
 * @returns false when it has no such API, may not be asked, or did not do it: then it is done object by object.
 */
export async function migrateByApi(
  client: ClusterClient,
  { spec: { group, names } }: Crd,
  version: string,
  deadline: number,
  say: (line: string) => void,
): Promise<boolean> {
  const form = await servedForm(client);
  if (form === undefined) return false;
  const type = { apiVersion: `${GROUP}/${form}`, kind: KIND };
  // Only the alpha form names a version; the objects are stored in the CRD's storage version in any case.
  const resource = { group, resource: names.plural, ...(form === "v1alpha1" ? { version } : {}) };
  let path = "";
  try {
    const collection = await client.api.path(type, "");
    const body = { ...type, metadata: { generateName: "casa-upgrade-" }, spec: { resource } };
    const made = migration.parse(await client.api.request("POST", collection, { body }));
    path = `${collection}/${made.metadata.name}`;
    const outcome = await waitFor(client, path, deadline);
    if (outcome === "done") say(`${names.plural}.${group}: stored anew by the cluster's ${KIND}`);
    else say(`${names.plural}.${group}: the cluster's ${KIND} did not succeed (${outcome}); storing object by object`);
    return outcome === "done";
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    say(`${names.plural}.${group}: the cluster's ${KIND} cannot be used (${error.message}); storing object by object`);
    return false;
  } finally {
    if (path !== "") await client.api.request("DELETE", path).catch(() => undefined);
  }
}

async function servedForm(client: ClusterClient): Promise<string | undefined> {
  for (const form of FORMS) if (await client.api.resource(`${GROUP}/${form}`, KIND)) return form;
  return undefined;
}

/** Longest wait for the cluster to begin, in milliseconds: where the API is served its controller may be off. */
const BEGIN_MS = 30_000;

async function waitFor(client: ClusterClient, path: string, deadline: number): Promise<string> {
  const begun = Date.now();
  for (;;) {
    const { status } = migration.parse(await client.api.request("GET", path));
    const holds = (type: string) => status?.conditions?.find((one) => one.type === type && one.status === "True");
    if (holds("Succeeded")) return "done";
    const failed = holds("Failed");
    if (failed) return failed.message ?? "it failed";
    if (!holds("Running") && Date.now() - begun > BEGIN_MS) return "nothing acts on it";
    if (Date.now() > deadline) return "it took too long";
    await sleep(250);
  }
}
