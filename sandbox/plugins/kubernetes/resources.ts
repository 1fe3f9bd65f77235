import { setTimeout as sleep } from "node:timers/promises";
import { detailedDiff, toDiffResult } from "../shared/diff";
import { InitError, type OperationContext, type Properties, type ResourceHandler } from "../shared/handler";
import { hasUnknowns } from "../shared/values";
import type { ProviderSettings } from "./access";
import { ApiError, type ProviderApi } from "./api";
import { awaitReady, problemsOf } from "./await";
import { deleteObject } from "./deletion";
import { comparable, completeInputs, isAutonamed, isClusterScopedBuiltIn } from "./inputs";
import {
  asObject,
  fieldManager,
  FIELD_MANAGER_KEY,
  type KubeObject,
  objectId,
  parseId,
  parseType,
  type TypeInfo,
} from "./objects";
import { isBelow, replacingPaths } from "./replace";
import { importedInputs, refreshedInputs, toState } from "./state";
import { applyObject, createObject, mergeObject, releaseFields, replaceObject } from "./writes";

/** Waits in milliseconds before the tries to create an object whose kind or namespace is not there yet. */
const RETRIES = [0, 1000, 2000, 4000, 8000, 16_000];

/** All kinds of Kubernetes objects, and patches of them, behaving as the official provider (docs/provider-facts.md). */
export class ObjectHandler implements ResourceHandler {
  constructor(
    private readonly api: ProviderApi,
    private readonly settings: ProviderSettings,
  ) {}

  async check(ctx: OperationContext, olds: Properties | undefined, news: Properties) {
    const type = parseType(ctx.type);
    if (type.patch && !this.settings.serverSideApply) {
      throw new Error("patch resources need server-side apply, which the provider's `enableServerSideApply` turns on");
    }
    const inputs = completeInputs(news, olds, type, ctx.urn, await this.defaultNamespace(type));
    return { inputs, failures: [] };
  }

  async diff(ctx: OperationContext, _id: string, oldInputs: Properties, _oldState: Properties, news: Properties) {
    const type = parseType(ctx.type);
    const namespace = await this.defaultNamespace(type);
    const detailed = detailedDiff(comparable(oldInputs, namespace), comparable(news, namespace));
    const replacing = replacingPaths({ ...type, immutable: news["immutable"] === true }, this.settings);
    const result = toDiffResult(detailed, (path) => isBelow(path, replacing));
    const replaced = Object.values(result.detailed).some((kind) => kind.endsWith("-replace"));
    // An object cannot exist twice under one name, so the old one goes first.
    const sameName = !("metadata.name" in detailed) && !("metadata.namespace" in detailed) && !isAutonamed(news);
    return { ...result, deleteBeforeReplace: replaced && sameName };
  }

  async create(ctx: OperationContext, inputs: Properties) {
    const type = parseType(ctx.type);
    if (!ctx.preview) this.mustBeReachable();
    const echoes = type.patch || !this.settings.serverSideApply;
    if (ctx.preview && (echoes || !(await this.canPreview(inputs)))) return { id: "", state: inputs };
    const unnamed = missingKind(inputs);
    if (unnamed !== undefined) {
      throw new Error(`creation of resource "${ctx.urn}" with kind ${kindInUrn(ctx.type)} failed ${unnamed}`);
    }

    const object = asObject(inputs);
    const manager = this.manager(object, {});
    try {
      const live = type.patch ? await this.patch(ctx, object, manager) : await this.post(ctx, object);
      if (ctx.preview) return { id: "", state: withoutStatus(toState(live, manager)) };
      return { id: objectId(live), state: await this.settle(ctx, inputs, object, live, manager, "created") };
    } catch (error) {
      if (error instanceof InitError) throw error;
      if (ctx.preview && error instanceof ApiError && isHiddenByPreview(error)) return { id: "", state: inputs };
      throw notCreated(ctx, error);
    }
  }

  async update(ctx: OperationContext, id: string, oldInputs: Properties, oldState: Properties, inputs: Properties) {
    const type = parseType(ctx.type);
    if (!ctx.preview) this.mustBeReachable();
    else if (!(await this.canPreview(inputs))) return { state: inputs };
    const unnamed = missingKind(inputs);
    if (unnamed !== undefined) throw new Error(`update of resource "${ctx.urn}" failed ${unnamed}`);

    const object = asObject(inputs);
    const manager = this.manager(object, oldState);
    const before = asObject(oldInputs);
    const live = await this.api.object(object, this.namespaceOf(object), object.metadata.name);
    if (!live) throw new Error(`update of resource "${ctx.urn}" failed: ${object.kind} "${id}" not found`);
    let written: KubeObject;
    try {
      written = await this.write(ctx, type, { before, object, live, manager });
    } catch (error) {
      if (ctx.preview && error instanceof ApiError && error.code === 403) return { state: inputs };
      // As the official provider: the object exists, so the failure is kept with it and tried again next time.
      const reason = `the Kubernetes API server reported that "${id}" failed to fully initialize or become live: `;
      throw new InitError(id, toState(live, manager), inputs, [reason + messageOf(error)]);
    }
    if (ctx.preview) return { state: withoutStatus(toState(written, manager)) };
    const state = await this.settle(ctx, inputs, object, written, manager, "updated");
    const former = oldState[FIELD_MANAGER_KEY];
    if (this.settings.serverSideApply && typeof former === "string" && former !== manager) {
      await releaseFields(this.api, object, { namespace: this.namespaceOf(object), fieldManager: former });
    }
    return { state };
  }

  async read(ctx: OperationContext, id: string, inputs: Properties, state: Properties) {
    const type = parseType(ctx.type);
    const { unreachable } = this.settings.access;
    if (unreachable) {
      ctx.warn(`configured Kubernetes cluster is unreachable: ${unreachable}`);
      if (deletesUnreachable()) return undefined;
      throw new Error(`failed to read resource state due to unreachable cluster. ${FORGET_HINT}`);
    }
    const { namespace, name } = parseId(id, this.namespace);
    const live = await this.api.object(type, namespace, name);
    if (!live) return undefined;
    const manager = this.manager(live, state);
    const found = { id, state: toState(live, manager) };
    if (Object.keys(inputs).length === 0) return { ...found, inputs: importedInputs(live, type) };

    const refreshed = refreshedInputs(live, inputs);
    const problems = await problemsOf(this.api, live, asObject(inputs), namespace);
    if (problems.length > 0) throw new InitError(id, found.state, refreshed, problems);
    return { ...found, inputs: refreshed };
  }

  async delete(ctx: OperationContext, id: string, inputs: Properties, state: Properties): Promise<void> {
    const type = parseType(ctx.type);
    const { unreachable } = this.settings.access;
    if (unreachable) {
      ctx.warn(`configured Kubernetes cluster is unreachable: ${unreachable}`);
      if (deletesUnreachable()) return;
      throw new Error(`configured Kubernetes cluster is unreachable. ${FORGET_HINT}`);
    }
    const { namespace, name } = parseId(id, this.namespace);
    const object = asObject({ metadata: { name }, ...inputs, apiVersion: type.apiVersion, kind: type.kind });
    try {
      if (type.patch) await releaseFields(this.api, object, { namespace, fieldManager: this.manager(object, state) });
      else await deleteObject(this.api, ctx, object, { namespace, name });
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

  private manager(object: KubeObject, state: Properties): string {
    return this.settings.serverSideApply ? fieldManager(object, state) : "pulumi-kubernetes";
  }

  private mustBeReachable(): void {
    const { unreachable } = this.settings.access;
    if (unreachable) throw new Error(`configured Kubernetes cluster is unreachable: ${unreachable}`);
  }

  /**
   * The namespace to fill in for a kind: none outside of namespaces; a kind that is not served yet may well have them.
   */
  private async defaultNamespace(type: TypeInfo): Promise<string | undefined> {
    if (isClusterScopedBuiltIn(type.kind)) return undefined;
    if (this.settings.access.unreachable) return this.namespace;
    const served = await this.api.resource(type.apiVersion, type.kind);
    return served?.namespaced === false ? undefined : this.namespace;
  }

  /**
   * Whether the API server can be asked what would come of these inputs; otherwise a preview shows them as they are.
   */
  private async canPreview(inputs: Properties): Promise<boolean> {
    if (hasUnknowns(inputs) || this.settings.access.unreachable) return false;
    const { apiVersion, kind } = namedType(inputs);
    if (apiVersion === "" || kind === "") return false;
    return (await this.api.resource(apiVersion, kind)) !== undefined;
  }

  /** Creates an object; its kind or namespace may be just coming into being, so that is tried some times. */
  private async post(ctx: OperationContext, object: KubeObject): Promise<KubeObject> {
    for (const [i, wait] of RETRIES.entries()) {
      if (wait > 0) await sleep(wait, undefined, { signal: ctx.signal });
      try {
        return await createObject(this.api, object, { dryRun: ctx.preview, namespace: this.namespaceOf(object) });
      } catch (error) {
        const last = ctx.preview || i === RETRIES.length - 1;
        if (last || !(error instanceof ApiError && error.code === 404)) throw error;
        ctx.status(`Retry #${i}; creation failed: ${error.message}`);
      }
    }
    throw new Error("unreachable: the last try returns or throws");
  }

  private async patch(ctx: OperationContext, object: KubeObject, manager: string): Promise<KubeObject> {
    const namespace = this.namespaceOf(object);
    if (!(await this.api.object(object, namespace, object.metadata.name))) {
      throw new Error(`${object.kind} "${namespace}/${object.metadata.name}" does not exist, so it cannot be patched`);
    }
    return applyObject(this.api, object, undefined, { dryRun: ctx.preview, namespace, fieldManager: manager });
  }

  private write(
    ctx: OperationContext,
    type: TypeInfo,
    { before, object, live, manager }: { before: KubeObject; object: KubeObject; live: KubeObject; manager: string },
  ): Promise<KubeObject> {
    const options = { dryRun: ctx.preview, namespace: this.namespaceOf(object), fieldManager: manager };
    if (object.kind === "CustomResourceDefinition") return replaceObject(this.api, object, live, options);
    if (!this.settings.serverSideApply) return mergeObject(this.api, before, object, options);
    return applyObject(this.api, object, type.patch ? undefined : live, options);
  }

  /** Waits until a written object is ready; resolves to its state. @throws InitError when it does not become so. */
  private async settle(
    ctx: OperationContext,
    inputs: Properties,
    object: KubeObject,
    written: KubeObject,
    manager: string,
    done: "created" | "updated",
  ): Promise<Properties> {
    const namespace = written.metadata.namespace ?? this.namespace;
    const { live, problems } = await awaitReady(this.api, ctx, object, written, namespace);
    if (problems.length === 0) return toState(live, manager);
    const id = objectId(live);
    const reason =
      `resource "${id}" was successfully ${done}, but the Kubernetes API server reported that it failed to fully ` +
      `initialize or become live: ${problems[0] ?? ""}`;
    throw new InitError(id, toState(live, manager), inputs, [reason, ...problems.slice(1)]);
  }
}

const FORGET_HINT =
  "If the cluster was deleted, the environment variable PULUMI_K8S_DELETE_UNREACHABLE=true drops its resources from state.";

function deletesUnreachable(): boolean {
  return process.env["PULUMI_K8S_DELETE_UNREACHABLE"] === "true";
}

/** The type that the inputs name; empty where they do not. */
function namedType({ apiVersion, kind }: Properties): { apiVersion: string; kind: string } {
  return {
    apiVersion: typeof apiVersion === "string" ? apiVersion : "",
    kind: typeof kind === "string" ? kind : "",
  };
}

/**
 * Why an object is refused whose inputs lack `apiVersion` or `kind`, in the official provider's words; undefined when
 * they have both. The official provider says so after a minute, as it takes the type for one that is about to be
 * defined and tries again. Here it is said at once: no retry can help.
 */
function missingKind(inputs: Properties): string | undefined {
  const { apiVersion, kind } = namedType(inputs);
  if (apiVersion !== "" && kind !== "") return undefined;
  return (
    "because the Kubernetes API server reported that the apiVersion for this resource does not exist. " +
    `Verify that any required CRDs have been created: no matches for kind "${kind}" in version "${apiVersion}"`
  );
}

/** Version and kind of a type token as messages have them, e.g. `apps/v1/DeploymentPatch`. */
function kindInUrn(token: string): string {
  const { apiVersion, kind, patch } = parseType(token);
  return `${apiVersion}/${kind}${patch ? "Patch" : ""}`;
}

/**
 * Errors of a dry run that the update itself need not meet: things that come into being in the same run, or adoption.
 */
function isHiddenByPreview({ code, reason }: ApiError): boolean {
  return code === 403 || code === 404 || reason === "AlreadyExists";
}

function withoutStatus({ status: _status, ...state }: Properties): Properties {
  return state;
}

function notCreated(ctx: OperationContext, error: unknown): Error {
  const adopt =
    error instanceof ApiError && error.reason === "AlreadyExists"
      ? ". Adopt it with the resource option `import`, or manage a part of it with a Patch resource"
      : "";
  return new Error(
    `resource "${ctx.urn}" was not successfully created by the Kubernetes API server: ${messageOf(error)}${adopt}`,
    { cause: error },
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
