import { KubeApi, UnreachableError } from "../../../kubernetes/api";
import type { ClusterAccess } from "./access";
import { type KubeObject, kubeObject } from "./objects";

export { ApiError } from "../../../kubernetes/api";

/**
 * The project's API client with the provider's cluster, and the official provider's words when that does not answer.
 */
export class ProviderApi extends KubeApi {
  constructor(private readonly access: ClusterAccess) {
    super(access.kubeConfig);
  }

  override async request(...args: Parameters<KubeApi["request"]>): Promise<unknown> {
    if (this.access.unreachable) throw unreachable(this.access.unreachable);
    try {
      return await super.request(...args);
    } catch (error) {
      throw error instanceof UnreachableError ? unreachable(error.message) : error;
    }
  }

  async object(
    type: { apiVersion: string; kind: string },
    namespace: string,
    name: string,
  ): Promise<KubeObject | undefined> {
    const found = await this.get(type, namespace, name);
    return found === undefined ? undefined : kubeObject.parse(found);
  }

  async objects(
    type: { apiVersion: string; kind: string },
    namespace: string,
    selector?: string,
  ): Promise<KubeObject[]> {
    return (await this.list(type, namespace, selector)).map((item) => kubeObject.parse(item));
  }
}

function unreachable(why: string): Error {
  return new Error(`configured Kubernetes cluster is unreachable: ${why}`);
}
