import { setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";
import type { Crd } from "../../../crds/crds";
import { ApiError } from "../../../kubernetes/api";
import type { ClusterWriter } from "../../../kubernetes/connect";

const GROUP = "storagemigration.k8s.io";
/**
 * Forms of the storage migration API that are used, the newest first. Not v1alpha1 (Kubernetes 1.30 to 1.34, off by
 * default): its controller waits until the garbage collector's watch has caught up, which a quiet kind may take minutes
 * for, and all that time the CRD would be the transitional one. Source: pkg/controller/storageversionmigrator,
 * Kubernetes 1.34.
 */
const FORMS: readonly string[] = ["v1", "v1beta1"];
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
 * @param forms versions of the API to look for.
 * @param beginMs longest wait for the cluster to begin: where the API is served its controller may be off.
 * @returns false when it has no such API, may not be asked, or did not do it: then it is done object by object.
 */
export async function migrateByApi(
  client: ClusterWriter,
  { spec: { group, names } }: Crd,
  version: string,
  deadline: number,
  say: (line: string) => void,
  { forms = FORMS, beginMs = 30_000 } = {},
): Promise<boolean> {
  const form = await servedForm(client, forms);
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
    const outcome = await waitFor(client, path, deadline, beginMs);
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

async function servedForm(client: ClusterWriter, forms: readonly string[]): Promise<string | undefined> {
  for (const form of forms) if (await client.api.resource(`${GROUP}/${form}`, KIND)) return form;
  return undefined;
}

async function waitFor(client: ClusterWriter, path: string, deadline: number, beginMs: number): Promise<string> {
  const begun = Date.now();
  for (;;) {
    const { status } = migration.parse(await client.api.read(path));
    const holds = (type: string) => status?.conditions?.find((one) => one.type === type && one.status === "True");
    if (holds("Succeeded")) return "done";
    const failed = holds("Failed");
    if (failed) return failed.message ?? "it failed";
    if (!holds("Running") && Date.now() - begun > beginMs) return "nothing acts on it";
    if (Date.now() > deadline) return "it took too long";
    await sleep(250);
  }
}
