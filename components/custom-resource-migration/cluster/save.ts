import { UserError } from "../../../shared/user-error";
import { randomBytes } from "node:crypto";
import { PassThrough, type Readable } from "node:stream";
import { createGunzip, createGzip } from "node:zlib";
import { backupId, newRun } from "../../database-backup/manifest";
import { type BackupStore, Meter } from "../../database-backup/cluster/store";
import type { ClusterClient } from "../../../kubernetes/connect";
import { type ObjectType, visitAll } from "../../../kubernetes/visit-all";

import { storedObject, type StoredObject } from "./objects";

/** Fields of the metadata that only the cluster sets; with them the saved objects could not be put back. */
const SET_BY_SERVER = ["uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"];

/**
 * Saves all objects of a kind as one JSON `List`, which `kubectl replace` takes, and reads it back.
 *
 * @returns path or URL of the file, and how many there are.
 * @throws UserError when the destination does not take it; UserError when what is stored is not what was written.
 */
export async function saveObjects(
  client: ClusterClient,
  store: BackupStore,
  crd: string,
  type: ObjectType,
): Promise<{ location: string; objects: number }> {
  await store.check();
  await store.cleanUp([crd]);
  const file = `${backupId(crd, newRun(new Date(), randomBytes(3).toString("hex")))}.json.gz`;
  let objects = 0;
  try {
    const list = new PassThrough();
    const zipped = list.pipe(createGzip());
    list.once("error", (error) => zipped.destroy(error));
    const writing = store.write(file, zipped);
    const reading = writeList(client, type, list).then((count) => (objects = count));
    // A reader that failed ends the stream, and so the writing; one that goes on would wait for a writer that is gone.
    reading.catch((error: unknown) => list.destroy(error instanceof Error ? error : new Error(String(error))));
    writing.catch(() => list.destroy());
    const [written, read] = await Promise.allSettled([writing, reading]);
    if (read.status === "rejected" && !isAborted(read.reason)) throw read.reason as Error;
    if (written.status === "rejected") throw written.reason as Error;
    const stored = new Meter();
    const found = await countItems((await store.read(file, true)).pipe(stored));
    if (stored.result().sha256 !== written.value.sha256 || found !== objects) {
      throw new UserError(
        "custom-resource-migration",
        `the saved objects of CRD ${crd} at ${store.locate(file)} are not what was written`,
        "look at the destination's disk (backup.destination), then repeat",
      );
    }
    await store.keep(file);
    return { location: store.locate(file), objects };
  } catch (error) {
    await store.discard(file).catch(() => undefined);
    throw error;
  }
}

const isAborted = (error: unknown) => error instanceof Aborted;
/** The file is not written any more. */
class Aborted extends Error {}

async function writeList(client: ClusterClient, type: ObjectType, to: PassThrough): Promise<number> {
  // All are read before the first is written: a list that expires half-way would be in the file twice.
  let objects: string[] = [];
  await visitAll(
    client,
    type,
    (object) => objects.push(JSON.stringify(saved(storedObject.parse(object)))),
    () => (objects = []),
  );
  await push(to, '{"apiVersion":"v1","kind":"List","items":[\n');
  for (const [i, text] of objects.entries()) await push(to, `${text}${i < objects.length - 1 ? "," : ""}\n`);
  await push(to, "]}\n");
  to.end();
  return objects.length;
}

function push(to: PassThrough, text: string): Promise<void> {
  if (to.destroyed) return Promise.reject(new Aborted());
  if (to.write(text)) return Promise.resolve();
  return new Promise((resolve, reject) => {
    to.once("drain", resolve);
    to.once("close", () => reject(new Aborted()));
  });
}

function saved(object: StoredObject): object {
  const metadata = Object.fromEntries(Object.entries(object.metadata).filter(([key]) => !SET_BY_SERVER.includes(key)));
  return { ...object, metadata };
}

/** Objects of a saved list: it has one in each line. */
async function countItems(zipped: Readable): Promise<number> {
  let lines = 0;
  const text = zipped.pipe(createGunzip());
  zipped.once("error", (error) => text.destroy(error));
  for await (const chunk of text as AsyncIterable<Buffer>) for (const byte of chunk) if (byte === 10) lines++;
  return lines - 2;
}
