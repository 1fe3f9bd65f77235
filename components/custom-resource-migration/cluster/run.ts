import type { CrMigrationJob, CrMigrationResult } from "../job";
import { stepsOf } from "../plan";
import { noteOf } from "../transitional";
import { parseCrds } from "../../../crds/crds";
import { shortDigest } from "../../../shared/digest";
import { kubeObject } from "../../../kubernetes/objects";
import { closeStore, openStore } from "../../database-backup/cluster/open-store";
import type { ClusterWriter } from "../../../kubernetes/connect";
import { type ObjectType, visitAll } from "../../../kubernetes/visit-all";
import { LiveMigration } from "./crd";
import { Fitter } from "./fit";
import { storedObject } from "./objects";
import { saveObjects } from "./save";
import { migrateByApi } from "./storage-api";
import { keepsWriting, Writer } from "./write";

/** Rounds over all objects; each but the first only has to do with what others wrote meanwhile. */
const MOST_ROUNDS = 10;

/**
 * Brings all objects of a CRD into the form of its next version, and puts that in place: check -> save -> transitional
 * CRD -> write every object -> stored versions -> new CRD.
 *
 * Every step may be killed and done again: what an object needs is told by its content, and the transitional CRD, which
 * keeps any content, says by an annotation that it is one and where the objects were saved.
 *
 * @param say takes one line about what was done.
 * @throws UserError, ApiError; no object has lost anything then.
 */
export async function migrateCustomResources(
  client: ClusterWriter,
  job: CrMigrationJob,
  say: (line: string) => void,
): Promise<CrMigrationResult> {
  const deadline = Date.now() + job.timeoutSeconds * 1000;
  const [next] = parseCrds([{ source: "the chart", object: kubeObject.parse(job.manifest) }]);
  if (!next) throw new Error("a job without a CRD");
  const crd = new LiveMigration(client, next, job.to);
  const fitter = new Fitter(next, job.to, stepsOf(job));
  const { kind } = next.spec.names;
  const typeIn = (version: string) => ({ apiVersion: `${next.spec.group}/${version}`, kind });

  const rules = shortDigest([job.from, job.to, job.rules]);
  let said = noteOf(await crd.read());
  if (said?.rules !== rules) {
    // Nothing is changed before all objects are known to fit and are saved.
    await visitAll(
      client,
      typeIn(job.readIn),
      (object) => void fitter.fit(storedObject.parse(object)),
      () => fitter.reset(),
    );
    fitter.refuse();
    const { location, objects } = await saved(client, job, typeIn(job.readIn), say);
    say(`${job.crd}: saved ${objects} objects to ${location}`);
    said = { to: job.to, rules, backup: location };
  } else say(`${job.crd}: goes on with a migration that was begun; the objects are saved at ${said.backup}`);
  await crd.makeTransitional(said, deadline);

  const type = typeIn(job.to);
  const writer = new Writer(client, job.crd, type, fitter, deadline);
  const byApi = job.storage ? () => migrateByApi(client, next, job.to, deadline, say) : undefined;
  const { objects, changed } = await allRounds(writer, job, byApi);
  const { from } = job;
  say(
    `${job.crd}: ${changed} of ${objects} objects changed by rules${from.length > 0 ? `, from ${from.join(", ")} to ${job.to}` : ""}`,
  );

  if (job.storage) await crd.setStoredVersions();
  await crd.putNext(deadline);
  return {
    crd: job.crd,
    from,
    to: job.to,
    objects,
    changed,
    backup: said.backup,
    storedVersions: crd.storedVersions(await crd.read()),
  };
}

async function saved(client: ClusterWriter, job: CrMigrationJob, type: ObjectType, say: (line: string) => void) {
  const { timeoutSeconds, release, destination, stack, crd } = job;
  const store = openStore(destination, stack, { client, release: release.name, timeoutSeconds, purpose: "backup" });
  try {
    return await saveObjects(client, store, crd, type);
  } finally {
    await closeStore(store, say);
  }
}

/** Goes through all objects until a whole round finds nothing more to do. */
async function allRounds(
  writer: Writer,
  job: CrMigrationJob,
  byApi: (() => Promise<boolean>) | undefined,
): Promise<{ objects: number; changed: number }> {
  // What rules change is written in its new form and version at once; the rest only has to be stored anew.
  let rewrite = false;
  let storageDone = byApi === undefined;
  for (let round = 1; round <= MOST_ROUNDS; round++) {
    const { written, objects } = await writer.round(rewrite);
    if (!storageDone && byApi) {
      storageDone = true;
      rewrite = !(await byApi());
      if (rewrite) continue;
    }
    if (written === 0) return { objects, changed: writer.changed };
  }
  throw keepsWriting(job.crd);
}
