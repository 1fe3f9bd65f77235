import type { ClusterClient } from "../kubernetes/connect";
import { ApiError } from "../kubernetes/api";
import { groupOf, type KubeObject, objectKey } from "../kubernetes/objects";
import { type OwnerReference, ownersOf } from "../kubernetes/owner-reference";
import type { ObjectPair } from "../kubernetes/pod-templates";
import { type ClaimLoss, keepLine } from "./rolls/claims";

const CLAIM = { apiVersion: "v1", kind: "PersistentVolumeClaim" };
/** Kinds of Kubernetes itself, which make no claims that belong to them by way of others. */
const BUILT_IN = /^(?:|apps|batch|autoscaling|policy|extensions|[a-z.]+\.k8s\.io)$/;
/** Longer chains of owners are none that an operator makes. */
const DEPTH = 6;

/** What an owner that helm does not delete leads to. */
type Fate = KubeObject | "stays" | "gone";

/**
 * The claims that go with an object that helm deletes because they belong to it, by their owner references: so do the
 * claims of nearly every operator's databases. An object with several owners goes with the last of them.
 *
 * @param liveClaims of the release's namespace.
 * @returns also, in words, what could not be asked.
 */
export async function claimsOfOwners(
  client: ClusterClient,
  pairs: readonly ObjectPair[],
  liveClaims: readonly KubeObject[],
  namespace: string,
): Promise<{ owned: ClaimLoss[]; unknown: string[] }> {
  const deleted = pairs.flatMap(({ before, after }) => (before && !after ? [before] : []));
  const custom = deleted.filter(({ apiVersion }) => !BUILT_IN.test(groupOf(apiVersion)));
  const places = [...new Set(custom.map(({ metadata }) => metadata.namespace ?? namespace))];
  const lists = await Promise.all(places.map((at) => listClaims(client, at)));
  const unseen = places.filter((_, i) => lists[i] === undefined);
  const claims = new Map(
    [...liveClaims, ...lists.flatMap((list) => list ?? [])].map((claim) => [objectKey(claim, namespace), claim]),
  );
  const found = new Owners(client, deleted, custom.length > 0);
  const owned: ClaimLoss[] = [];
  for (const claim of claims.values()) {
    const owner = await found.deletedOwner(claim, claim.metadata.namespace ?? namespace);
    if (owner) owned.push({ claim, because: becauseOf(owner), fix: keepLine(owner, namespace) });
  }
  const what = custom.map(({ kind, metadata }) => `${kind} ${metadata.name ?? ""}`).join(", ");
  return {
    owned,
    unknown: [
      ...unseen.map(
        (at) =>
          `${what} will be deleted, and which claims of namespace ${at} go with it is not known: they may not be listed. ` +
          `Look before you go on: kubectl --namespace ${at} get pvc --output yaml (ownerReferences)`,
      ),
      ...found.unread.map(
        (text) =>
          `${text} may not be read, so whether claims that belong to it go with ${what}, which will be deleted, is not known`,
      ),
    ],
  };
}

const becauseOf = ({ kind, metadata }: KubeObject) =>
  `it belongs to ${kind} ${metadata.name ?? ""}, which helm deletes, and Kubernetes deletes it with its owner`;

/** Undefined where they may not be listed. */
async function listClaims(client: ClusterClient, namespace: string): Promise<KubeObject[] | undefined> {
  try {
    return (await client.api.list(CLAIM, namespace)) as KubeObject[];
  } catch (error) {
    if (error instanceof ApiError && error.code === 403) return undefined;
    throw error;
  }
}

/** Follows owner references up to what helm deletes, and asks for what is between. */
class Owners {
  /** Owners that may not be read. */
  readonly unread: string[] = [];
  private readonly fates = new Map<string, Promise<Fate>>();
  private readonly deleted: ReadonlyMap<unknown, KubeObject>;

  /** @param asks whether owners that are no part of the release are looked at. */
  constructor(
    private readonly client: ClusterClient,
    deleted: readonly KubeObject[],
    private readonly asks: boolean,
  ) {
    this.deleted = new Map(deleted.map((object) => [object.metadata["uid"], object]));
  }

  /** The object with which it goes; undefined when it stays. */
  async deletedOwner(object: unknown, namespace: string): Promise<KubeObject | undefined> {
    const fate = await this.fateOf(object, namespace, 0);
    return typeof fate === "string" ? undefined : fate;
  }

  private async fateOf(object: unknown, namespace: string, depth: number): Promise<Fate> {
    const owners = ownersOf(object);
    if (owners.length === 0 || depth > DEPTH) return "stays";
    const fates = await Promise.all(owners.map((owner) => this.ownerFate(owner, namespace, depth)));
    if (fates.includes("stays")) return "stays";
    return fates.find((fate) => fate !== "gone") ?? "gone";
  }

  private ownerFate(owner: OwnerReference, namespace: string, depth: number): Promise<Fate> {
    const { uid = "", kind } = owner;
    const own = this.deleted.get(uid);
    if (own) return Promise.resolve(own);
    // An ephemeral volume lives as long as its pod anyway.
    if (!this.asks || kind === "Pod") return Promise.resolve("stays");
    const known = this.fates.get(uid) ?? this.ask(owner, namespace, depth);
    this.fates.set(uid, known);
    return known;
  }

  private async ask({ apiVersion, kind, name }: OwnerReference, namespace: string, depth: number): Promise<Fate> {
    try {
      const found = await this.client.api.get({ apiVersion, kind }, namespace, name);
      return found === undefined ? "gone" : await this.fateOf(found, namespace, depth + 1);
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 403)) throw error;
      this.unread.push(`${kind} ${namespace}/${name}`);
      return "stays";
    }
  }
}
