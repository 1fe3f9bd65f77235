import { UserError } from "../../../shared/user-error";
import { isDeepStrictEqual } from "node:util";
import type { Migrated } from "../migrate";
import { ApiError } from "../../../kubernetes/api";
import { despiteConflicts } from "../../../kubernetes/conflicts";
import type { ClusterWriter } from "../../../kubernetes/connect";
import type { Fitter } from "./fit";
import { type ObjectType, visitAll } from "../../../kubernetes/visit-all";
import { inParallel, nameOf, storedObject, type StoredObject } from "./objects";

/** Writes under way at once. */
const AT_ONCE = 8;

/** Writes objects in their new form, one request each, so that one that was killed half-way is whole. */
export class Writer {
  /** Objects that rules changed. */
  changed = 0;
  /** resourceVersions that our own writes left, by uid: such an object needs no other one to be stored anew. */
  private readonly ours = new Map<string, string>();
  private rounds = 0;
  /** Objects in their old form that the round of now found. */
  private inOldForm = 0;

  constructor(
    private readonly client: ClusterWriter,
    private readonly crd: string,
    private readonly type: ObjectType,
    private readonly fitter: Fitter,
    private readonly deadline: number,
  ) {}

  /**
   * Goes through all objects once.
   *
   * @param rewrite write those, too, that no rule changes, which stores them in the version of now.
   * @throws UserError when an object does not fit the new schema; the others are written.
   */
  async round(rewrite: boolean): Promise<{ objects: number; written: number }> {
    this.rounds++;
    let todo: { namespace: string; name: string }[] = [];
    let objects = 0;
    this.inOldForm = 0;
    const look = (listed: object) => {
      const object = storedObject.parse(listed);
      objects++;
      const { namespace = "", name } = object.metadata;
      const result = this.fitter.fit(object);
      if (result && result.applied.length > 0) this.inOldForm++;
      if (result && this.needsWrite(object, result, rewrite)) todo.push({ namespace, name });
    };
    await visitAll(this.client, this.type, look, () => {
      [todo, objects, this.inOldForm] = [[], 0, 0];
      this.fitter.reset();
    });
    let written = 0;
    await inParallel(todo, AT_ONCE, async ({ namespace, name }) => {
      if (Date.now() > this.deadline) throw this.tooLate();
      if (await this.write(namespace, name, rewrite)) written++;
    });
    this.fitter.refuse();
    return { objects, written };
  }

  private needsWrite({ metadata: { uid, resourceVersion } }: StoredObject, { applied }: Migrated, rewrite: boolean) {
    return applied.length > 0 || (rewrite && this.ours.get(uid) !== resourceVersion);
  }

  private async write(namespace: string, name: string, rewrite: boolean): Promise<boolean> {
    const path = await this.client.api.path(this.type, namespace, name);
    try {
      return await despiteConflicts(() => this.writeOnce(path, rewrite));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.code === 404) return false; // it was deleted
      throw new UserError(
        "custom-resource-migration",
        `${this.type.kind} ${namespace ? `${namespace}/` : ""}${name} cannot be written: ${error.message}`,
        "remove what refuses it (an admission webhook, a policy, missing permission), then: pulumi up",
      );
    }
  }

  private async writeOnce(path: string, rewrite: boolean): Promise<boolean> {
    const object = storedObject.parse(await this.client.api.read(path));
    const result = this.fitter.fit(object);
    if (!result || !this.needsWrite(object, result, rewrite)) return false;
    const changes = result.applied.length > 0;
    const answer = await this.put(path, result.object);
    let last = answer;
    // The main resource leaves the status alone where that is a resource of its own.
    if (!isDeepStrictEqual(answer["status"], result.object["status"])) {
      last = await this.put(`${path}/status`, { ...result.object, metadata: answer.metadata });
    }
    this.ours.set(last.metadata.uid, last.metadata.resourceVersion);
    if (!changes) return true;
    this.changed++;
    this.verify(last, result.object);
    return true;
  }

  private async put(path: string, body: object): Promise<StoredObject> {
    const query = { fieldManager: "casa-upgrade" };
    return storedObject.parse(await this.client.api.request("PUT", path, { body, query }));
  }

  /** What came back must be what was sent: a webhook that takes something away would be a loss that nobody sees. */
  private verify(stored: StoredObject, sent: Record<string, unknown>): void {
    const missing = Object.keys(sent).filter(
      (key) => key !== "metadata" && stored[key] === undefined && sent[key] !== null,
    );
    if (missing.length === 0) return;
    throw new UserError(
      "custom-resource-migration",
      `${this.type.kind} ${nameOf(stored)} lost ${missing.join(", ")} when it was written`,
      "find the admission webhook that does it; the object as it was is in the saved file",
    );
  }

  /** A round leaves no old form, so what a later one finds was written meanwhile, and more time would not end it. */
  private tooLate(): UserError {
    if (this.rounds > 1 && this.inOldForm > 0) return keepsWriting(this.crd);
    return new UserError(
      "custom-resource-migration",
      "the migration of custom resources was not done in time",
      "go on with it: pulumi up; to allow more: pulumi config set --path timeouts.customResources <seconds>",
    );
  }
}

export function keepsWriting(crd: string): UserError {
  return new UserError(
    "custom-resource-migration",
    `somebody keeps writing objects of CRD ${crd} in their old form while they are migrated`,
    "find who (kubectl get --show-managed-fields), stop it (a GitOps tool with the old manifests, a controller), then: pulumi up",
  );
}
