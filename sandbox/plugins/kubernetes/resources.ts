import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { detailedDiff, toDiffResult } from "../shared/diff";
import {
  type CheckFailure,
  type OperationContext,
  type Properties,
  type ResourceHandler,
  Secret,
} from "../shared/handler";
import { hasUnknowns } from "../shared/values";
import type { ProviderSettings } from "./access";
import { ApiError, type ProviderApi } from "./api";
import { awaitReady } from "./await";
import { asObject, inputsOfLive, type KubeObject, objectId, parseId, parseType, type TypeInfo } from "./objects";
import { isImmutable } from "./replace";
import { applyObject, createObject, releaseFields, replaceObject } from "./writes";

/** All kinds of Kubernetes objects, and patches of them, behaving as the official provider (DESIGN section 5). */
export class ObjectHandler implements ResourceHandler {
  constructor(
    private readonly api: ProviderApi,
    private readonly settings: ProviderSettings,
  ) {}

  async check(ctx: OperationContext, olds: Properties | undefined, news: Properties) {
    const type = parseType(ctx.type);
    const given = (news["metadata"] ?? {}) as Properties;
    const failures: CheckFailure[] = [];
    const metadata: Properties = { ...given };
    if (metadata["name"] === undefined && metadata["generateName"] === undefined) {
      if (type.patch) failures.push({ property: "metadata.name", reason: "a patch must name the object it patches" });
      else metadata["name"] = previousName(olds) ?? autoName(ctx.urn);
    }
    if (metadata["namespace"] === undefined && (await this.namespaced(type))) metadata["namespace"] = this.namespace;
    return { inputs: { ...news, apiVersion: type.apiVersion, kind: type.kind, metadata }, failures };
  }

  async diff(ctx: OperationContext, _id: string, oldInputs: Properties, _oldState: Properties, news: Properties) {
    const type = parseType(ctx.type);
    const replaces = (path: string) =>
      type.patch
        ? ["metadata.name", "metadata.namespace"].includes(path)
        : isImmutable(type.apiVersion, type.kind, path, this.settings);
    const detailed = detailedDiff(oldInputs, news);
    // An object whose name stays cannot exist twice, so the old one goes first.
    const keepsName = !("metadata.name" in detailed) && !("metadata.namespace" in detailed);
    return Promise.resolve(toDiffResult(detailed, replaces, keepsName));
  }

  async create(ctx: OperationContext, inputs: Properties) {
    const type = parseType(ctx.type);
    if (ctx.preview && (type.patch || hasUnknowns(inputs) || this.settings.access.unreachable)) {
      return { id: "", state: inputs };
    }
    const object = asObject(inputs);
    const namespace = this.namespaceOf(object);
    if (ctx.preview) return { id: "", state: await this.previewed(inputs, () => this.post(object, ctx, true)) };
    const live = type.patch ? await this.patch(object, ctx, namespace) : await this.post(object, ctx, false);
    return { id: objectId(live), state: await this.settled(ctx, inputs, object, live) };
  }

  async update(ctx: OperationContext, _id: string, _oldInputs: Properties, _old: Properties, inputs: Properties) {
    if (ctx.preview && (hasUnknowns(inputs) || this.settings.access.unreachable)) return { state: inputs };
    const object = asObject(inputs);
    const write = (dryRun: boolean) => this.write(object, ctx, dryRun);
    if (ctx.preview) return { state: await this.previewed(inputs, () => write(true)) };
    return { state: await this.settled(ctx, inputs, object, await write(false)) };
  }

  async read(ctx: OperationContext, id: string, inputs: Properties) {
    const type = parseType(ctx.type);
    const { namespace, name } = parseId(id, this.namespace);
    const live = await this.api.object(type, namespace, name);
    if (!live) return undefined;
    const known = Object.keys(inputs).length > 0;
    const shown = type.patch && !known ? { apiVersion: type.apiVersion, kind: type.kind, metadata: { name, namespace } } : inputs;
    return { id: objectId(live), inputs: known || type.patch ? shown : inputsOfLive(live), state: toState(live) };
  }

  async delete(ctx: OperationContext, id: string, inputs: Properties, state: Properties): Promise<void> {
    const type = parseType(ctx.type);
    const { namespace, name } = parseId(id, this.namespace);
    const object = asObject({ ...(Object.keys(inputs).length > 0 ? inputs : state) });
    try {
      if (type.patch) return await releaseFields(this.api, object, ctx, namespace);
      const path = await this.api.path(type, namespace, name);
      await this.api.request("DELETE", path, { body: { propagationPolicy: "Background" } });
      await this.gone(ctx, type, namespace, name);
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 404)) throw error;
    }
  }

  private get namespace(): string {
    return this.settings.access.namespace ?? "default";
  }

  private namespaceOf(object: KubeObject): string {
    return object.metadata.namespace ?? this.namespace;
  }

  /** Whether a kind lives in namespaces; a kind that is not served (yet), or no cluster: as its inputs say. */
  private async namespaced(type: TypeInfo): Promise<boolean> {
    try {
      return (await this.api.resource(type.apiVersion, type.kind))?.namespaced ?? false;
    } catch {
      return false;
    }
  }

  private async post(object: KubeObject, ctx: OperationContext, dryRun: boolean): Promise<KubeObject> {
    return createObject(this.api, object, ctx, { dryRun, namespace: this.namespaceOf(object) });
  }

  private async patch(object: KubeObject, ctx: OperationContext, namespace: string): Promise<KubeObject> {
    const target = await this.api.object(object, namespace, object.metadata.name);
    if (!target) {
      throw new Error(`${object.kind} ${namespace}/${object.metadata.name} does not exist, so it cannot be patched`);
    }
    return applyObject(this.api, object, ctx, { dryRun: false, namespace });
  }

  /** CRDs are replaced whole, everything else is applied. */
  private write(object: KubeObject, ctx: OperationContext, dryRun: boolean): Promise<KubeObject> {
    const options = { dryRun, namespace: this.namespaceOf(object) };
    const whole = object.kind === "CustomResourceDefinition" || !this.settings.serverSideApply;
    return whole ? replaceObject(this.api, object, ctx, options) : applyObject(this.api, object, ctx, options);
  }

  /** The state a preview shows; an object or kind that an earlier step of the same run will bring is echoed. */
  private async previewed(inputs: Properties, dryRun: () => Promise<KubeObject>): Promise<Properties> {
    try {
      return toState(await dryRun());
    } catch (error) {
      if (error instanceof ApiError && (error.code === 404 || error.reason === "AlreadyExists")) return inputs;
      throw error;
    }
  }

  private async settled(ctx: OperationContext, rawInputs: Properties, inputs: KubeObject, live: KubeObject) {
    const named = { ...inputs, metadata: { ...inputs.metadata, name: live.metadata.name } };
    const namespace = live.metadata.namespace ?? this.namespace;
    const ready = await awaitReady({ api: this.api, ctx, inputs: named, namespace, state: toState, rawInputs });
    return toState(ready ?? live);
  }

  /** Waits until the object is really gone, so that what comes next finds its name free. */
  private async gone(ctx: OperationContext, type: TypeInfo, namespace: string, name: string): Promise<void> {
    const timeout = (ctx.timeoutSeconds || 600) * 1000;
    const end = Date.now() + timeout;
    while (await this.api.object(type, namespace, name)) {
      if (Date.now() > end) throw new Error(`${type.kind} ${namespace}/${name} is still there after ${timeout / 1000} s`);
      ctx.status(`waiting for ${type.kind} ${name} to be deleted`);
      await sleep(250);
    }
  }
}

/** What goes into state: the live object without managed fields; the data of Secrets marked secret. */
function toState(live: KubeObject): Properties {
  const { managedFields: _managedFields, ...metadata } = live.metadata;
  const state: Properties = { ...live, metadata };
  if (live.kind === "Secret") {
    for (const field of ["data", "stringData"]) if (state[field] !== undefined) state[field] = new Secret(state[field]);
    const { "kubectl.kubernetes.io/last-applied-configuration": _applied, ...annotations } = metadata.annotations ?? {};
    state["metadata"] = { ...metadata, annotations };
  }
  return state;
}

function previousName(olds: Properties | undefined): string | undefined {
  const name = ((olds?.["metadata"] ?? {}) as Properties)["name"];
  return typeof name === "string" ? name : undefined;
}

function autoName(urn: string): string {
  const base = (urn.split("::").at(-1) ?? "").toLowerCase().replace(/[^a-z0-9-]/g, "-");
  return `${base}-${randomBytes(4).toString("hex")}`;
}
