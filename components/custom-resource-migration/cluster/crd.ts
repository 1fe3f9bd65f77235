import { UserError } from "../../../shared/user-error";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { type MigrationNote, noteOf, transitionalCrd } from "../transitional";
import type { Crd } from "../../../crds/crds";
import { dig, kubeObject, type KubeObject } from "../../../kubernetes/objects";
import { ApiError } from "../../../kubernetes/api";
import { despiteConflicts } from "../../../kubernetes/conflicts";
import type { ClusterWriter } from "../../../kubernetes/connect";

const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/**
 * How long API servers that nobody can ask one by one may take to see a new CRD, in milliseconds (the API server's own
 * pause is as long).
 */
const PROPAGATION_MS = 5000;
const PROBE = "casaUpgradeProbe";

const slices = z.looseObject({
  items: z.array(z.looseObject({ endpoints: z.array(z.looseObject({ addresses: z.array(z.string()) })).nullish() })),
});

/** The CRD on the cluster while its objects are migrated. */
export class LiveMigration {
  constructor(
    private readonly client: ClusterWriter,
    private readonly next: Crd,
    private readonly to: string,
  ) {}

  private get path(): string {
    return `${CRDS}/${this.next.metadata.name}`;
  }

  async read(): Promise<KubeObject> {
    return kubeObject.parse(await this.client.api.read(this.path));
  }

  storedVersions(live: KubeObject): string[] {
    return z
      .array(z.string())
      .catch([])
      .parse(dig(live, "status", "storedVersions"));
  }

  /** Puts the transitional CRD in place, and waits until every API server works by it. */
  async makeTransitional(said: MigrationNote, deadline: number): Promise<void> {
    await this.change((live) => {
      const wanted = transitionalCrd(live, this.next, this.to, said);
      const same = isDeepStrictEqual(wanted.spec, live.spec) && isDeepStrictEqual(noteOf(live), said);
      return same ? undefined : { path: this.path, body: wanted };
    });
    await this.inEffect(deadline);
  }

  /** Says that objects are stored in one version only. To be called when each was written in it. */
  async setStoredVersions(): Promise<void> {
    await this.change((live) => {
      if (isDeepStrictEqual(this.storedVersions(live), [this.to])) return undefined;
      const status = { ...(dig(live, "status") as object), storedVersions: [this.to] };
      return { path: `${this.path}/status`, body: { ...live, status } };
    });
  }

  /** Puts the new CRD in the place of the transitional one. */
  async putNext(deadline: number): Promise<void> {
    await this.change((live) => {
      const { resourceVersion } = live.metadata;
      return { path: this.path, body: { ...this.next, metadata: { ...this.next.metadata, resourceVersion } } };
    });
    while (noteOf(await this.read()) !== undefined) await this.pause(deadline);
  }

  private async change(decide: (live: KubeObject) => { path: string; body: object } | undefined): Promise<void> {
    try {
      await despiteConflicts(async () => {
        const wanted = decide(await this.read());
        if (!wanted) return;
        const query = { fieldManager: "casa-upgrade" };
        await this.client.api.request("PUT", wanted.path, { body: wanted.body, query });
      });
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      throw new UserError(
        "custom-resource-migration",
        `CRD ${this.next.metadata.name} cannot be written: ${error.message}`,
        "remove what refuses it, then: pulumi up; the objects are as they were, or in their new form",
      );
    }
  }

  /**
   * An API server goes on with the schema of before for a moment. Nothing says when it is over, so a creation is tried
   * as a dry-run until it keeps a field that only the transitional schema keeps. Where that cannot be tried, and for
   * other API servers, a pause.
   */
  private async inEffect(deadline: number): Promise<void> {
    const { group, names } = this.next.spec;
    const type = { apiVersion: `${group}/${this.to}`, kind: names.kind };
    let certain = false;
    for (let seen = 0; seen < 3;) {
      const kept = await this.probe(type);
      if (kept === "unknown") break;
      certain = kept;
      seen = kept ? seen + 1 : 0;
      if (!kept) await this.pause(deadline);
    }
    if (!certain || (await this.hasSeveralServers())) await sleep(PROPAGATION_MS);
  }

  private async probe(type: { apiVersion: string; kind: string }): Promise<boolean | "unknown"> {
    const name = `casa-upgrade-probe-${randomBytes(4).toString("hex")}`;
    try {
      if (!(await this.client.api.resource(type.apiVersion, type.kind))) return false;
      const path = await this.client.api.path(type, "default");
      const body = { ...type, metadata: { name }, [PROBE]: "kept" };
      const query = { dryRun: "All", fieldValidation: "Ignore" };
      return dig(await this.client.api.request("POST", path, { body, query }), PROBE) === "kept";
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      // Refused by the schema of before; anything else (a webhook, a missing permission) tells nothing.
      return error.code === 422 || error.code === 404 ? false : "unknown";
    }
  }

  /** Whether there may be API servers that the probe did not ask. */
  private async hasSeveralServers(): Promise<boolean> {
    const path = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    const query = { labelSelector: "kubernetes.io/service-name=kubernetes" };
    try {
      const { items } = slices.parse(await this.client.api.read(path, { query }));
      const addresses = items.flatMap(({ endpoints }) => (endpoints ?? []).flatMap((one) => one.addresses));
      return new Set(addresses).size !== 1;
    } catch {
      return true;
    }
  }

  private async pause(deadline: number): Promise<void> {
    if (Date.now() > deadline) {
      throw new UserError(
        "custom-resource-migration",
        `the API server does not serve the changed CRD ${this.next.metadata.name}`,
        `look at it: kubectl --context ${this.client.context} describe crd ${this.next.metadata.name}; then: pulumi up`,
      );
    }
    await sleep(100);
  }
}
