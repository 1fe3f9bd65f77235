import { setMaxListeners } from "node:events";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import type { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { ResourceProviderService } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { serve, serviceError } from "./grpc";
import { dieWithParent } from "./lifetime";
import { EngineLog } from "./engine-log";
import {
  type CheckFailure,
  type DiffKind,
  type DiffResult,
  InitError,
  type OperationContext,
  type Properties,
  type ResourceHandler,
} from "./handler";
import { initFailed } from "./init-failed";
import { receive, send } from "./values";

/** One embedded plugin: what differs from one to the next. */
export interface Plugin {
  name: string;
  /** Version of the official plugin that this one stands in for. */
  version: string;
  /** Checks the provider's own arguments. Default: all are accepted. */
  checkConfig?(news: Properties): CheckFailure[];
  /** Compares the provider's own arguments. Default: none. */
  diffConfig?(olds: Properties, news: Properties): DiffResult;
  /** Called once before any resource. */
  configure?(args: Properties): Promise<void>;
  /** Who knows this resource type; throws for an unknown one. */
  handlerFor(type: string): ResourceHandler;
  /** Runs a function. Default: none is known. */
  invoke?(token: string, args: Properties, signal: AbortSignal): Promise<Properties>;
}

const KINDS: Record<DiffKind, rpc.PropertyDiff.Kind> = {
  add: rpc.PropertyDiff.Kind.ADD,
  "add-replace": rpc.PropertyDiff.Kind.ADD_REPLACE,
  delete: rpc.PropertyDiff.Kind.DELETE,
  "delete-replace": rpc.PropertyDiff.Kind.DELETE_REPLACE,
  update: rpc.PropertyDiff.Kind.UPDATE,
  "update-replace": rpc.PropertyDiff.Kind.UPDATE_REPLACE,
};

/**
 * Serves a plugin to the engine that started this process: the port on stdout, the engine's address as last argument.
 */
export async function serveProvider(plugin: Plugin): Promise<void> {
  const cancelled = new AbortController();
  setMaxListeners(0, cancelled.signal); // every operation under way may listen
  dieWithParent(() => cancelled.abort());
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => cancelled.abort());
  const log = new EngineLog(process.argv[2]);
  const { port } = await serve(ResourceProviderService, implementation(plugin, log, cancelled));
  console.log(port);
}

type Call<Q> = grpc.ServerUnaryCall<Q, unknown>;
type Reply<R> = grpc.sendUnaryData<R>;

function isStatus(error: unknown): error is grpc.StatusObject {
  return typeof error === "object" && error !== null && !(error instanceof Error) && "code" in error;
}

interface Operation {
  getUrn(): string;
  getTimeout?(): number;
  getPreview?(): boolean;
}

function implementation(plugin: Plugin, log: EngineLog, cancelled: AbortController): grpc.UntypedServiceImplementation {
  const context = (request: Operation): OperationContext => {
    const urn = request.getUrn();
    return {
      urn,
      type: typeOf(urn),
      preview: request.getPreview?.() ?? false,
      timeoutSeconds: request.getTimeout?.() ?? 0,
      status: (message) => log.status(urn, message),
      info: (message) => log.info(urn, message),
      warn: (message) => log.warn(urn, message),
      signal: cancelled.signal,
    };
  };
  // Answers a call with what an async function returns, and an error with its message as the user shall read it.
  const method =
    <Q, R>(run: (request: Q) => Promise<R> | R) =>
    (call: Call<Q>, reply: Reply<R>) => {
      Promise.resolve()
        .then(() => run(call.request))
        .finally(() => log.flush())
        .then((response) => reply(null, response))
        .catch((error: unknown) => reply(isStatus(error) ? error : serviceError(error)));
    };
  const handler = (request: Operation) => plugin.handlerFor(typeOf(request.getUrn()));
  const unimplemented = (name: string) =>
    method(() => {
      throw new Error(`the embedded ${plugin.name} plugin has no ${name}`);
    });

  return {
    handshake: method(() => {
      const response = new rpc.ProviderHandshakeResponse();
      response.setAcceptSecrets(true);
      response.setAcceptResources(false);
      response.setAcceptOutputs(false);
      return response;
    }),
    getPluginInfo: method(() => {
      const info = new PluginInfo();
      info.setVersion(plugin.version);
      return info;
    }),
    getSchema: method(() => {
      const response = new rpc.GetSchemaResponse();
      response.setSchema("{}");
      return response;
    }),
    checkConfig: method((request: rpc.CheckRequest) => {
      const news = receive(request.getNews());
      return checkResponse(send(news.properties, news.secrets), plugin.checkConfig?.(news.properties) ?? []);
    }),
    diffConfig: method((request: rpc.DiffRequest) => {
      const olds = receive(request.getOldInputs() ?? request.getOlds()).properties;
      const news = receive(request.getNews()).properties;
      return diffResponse(plugin.diffConfig?.(olds, news) ?? { changes: false, detailed: {} });
    }),
    configure: method(async (request: rpc.ConfigureRequest) => {
      await plugin.configure?.(receive(request.getArgs()).properties);
      const response = new rpc.ConfigureResponse();
      response.setAcceptsecrets(true);
      response.setSupportspreview(true);
      response.setAcceptresources(false);
      response.setAcceptoutputs(false);
      return response;
    }),
    invoke: method(async (request: rpc.InvokeRequest) => {
      if (!plugin.invoke) throw new Error(`the embedded ${plugin.name} plugin has no functions`);
      const args = receive(request.getArgs());
      const response = new rpc.InvokeResponse();
      response.setReturn(send(await plugin.invoke(request.getTok(), args.properties, cancelled.signal)));
      return response;
    }),
    check: method(async (request: rpc.CheckRequest) => {
      const news = receive(request.getNews());
      const olds = request.getOlds();
      const previous = olds ? receive(olds).properties : undefined;
      const checked = await handler(request).check(context(request), previous, news.properties);
      return checkResponse(send(checked.inputs, news.secrets), checked.failures);
    }),
    diff: method(async (request: rpc.DiffRequest) => {
      const result = await handler(request).diff(
        context(request),
        request.getId(),
        receive(request.getOldInputs() ?? request.getOlds()).properties,
        receive(request.getOlds()).properties,
        receive(request.getNews()).properties,
        request.getIgnorechangesList(),
      );
      return diffResponse(result);
    }),
    create: method(async (request: rpc.CreateRequest) => {
      const inputs = receive(request.getProperties());
      const created = await orInitFailed(inputs.secrets, () =>
        handler(request).create(context(request), inputs.properties),
      );
      const response = new rpc.CreateResponse();
      response.setId(created.id);
      response.setProperties(send(created.state, inputs.secrets));
      return response;
    }),
    update: method(async (request: rpc.UpdateRequest) => {
      const news = receive(request.getNews());
      const updated = await orInitFailed(news.secrets, () =>
        handler(request).update(
          context(request),
          request.getId(),
          receive(request.getOldInputs() ?? request.getOlds()).properties,
          receive(request.getOlds()).properties,
          news.properties,
        ),
      );
      const response = new rpc.UpdateResponse();
      response.setProperties(send(updated.state, news.secrets));
      return response;
    }),
    read: method(async (request: rpc.ReadRequest) => {
      const inputs = receive(request.getInputs());
      const state = receive(request.getProperties());
      const secrets = [...inputs.secrets, ...state.secrets];
      const found = await orInitFailed(secrets, () =>
        handler(request).read(context(request), request.getId(), inputs.properties, state.properties),
      );
      const response = new rpc.ReadResponse();
      if (!found) return response; // no id: the object does not exist
      response.setId(found.id);
      response.setInputs(send(found.inputs, secrets));
      response.setProperties(send(found.state, secrets));
      return response;
    }),
    delete: method(async (request: rpc.DeleteRequest) => {
      await handler(request).delete(
        context(request),
        request.getId(),
        receive(request.getOldInputs()).properties,
        receive(request.getProperties()).properties,
      );
      return new Empty();
    }),
    cancel: method(() => {
      cancelled.abort();
      return new Empty();
    }),
    attach: method(() => new Empty()),
    getMapping: method(() => new rpc.GetMappingResponse()),
    getMappings: method(() => new rpc.GetMappingsResponse()),
    construct: unimplemented("components"),
    call: unimplemented("methods"),
    parameterize: unimplemented("parameters"),
    list: unimplemented("listing"),
  };
}

/** The resource's own type: the last one of the chain of parents that a URN holds. */
function typeOf(urn: string): string {
  return urn.split("::")[2]?.split("$").at(-1) ?? "";
}

async function orInitFailed<T>(secrets: string[][], run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    // A plain status object: gRPC sends it with its details, which an Error would lose.
    throw error instanceof InitError ? initFailed(error, secrets) : error;
  }
}

function checkResponse(inputs: Struct, failures: CheckFailure[]): rpc.CheckResponse {
  const response = new rpc.CheckResponse();
  response.setInputs(inputs);
  response.setFailuresList(
    failures.map(({ property, reason }) => {
      const failure = new rpc.CheckFailure();
      failure.setProperty(property);
      failure.setReason(reason);
      return failure;
    }),
  );
  return response;
}

function diffResponse(result: DiffResult): rpc.DiffResponse {
  const response = new rpc.DiffResponse();
  const { DIFF_SOME, DIFF_NONE } = rpc.DiffResponse.DiffChanges;
  response.setChanges(result.changes ? DIFF_SOME : DIFF_NONE);
  response.setHasdetaileddiff(true);
  response.setDeletebeforereplace(result.deleteBeforeReplace ?? false);
  for (const [path, kind] of Object.entries(result.detailed)) {
    const diff = new rpc.PropertyDiff();
    diff.setKind(KINDS[kind]);
    diff.setInputdiff(true);
    response.getDetaileddiffMap().set(path, diff);
    response.addDiffs(path);
    if (kind.endsWith("-replace")) response.addReplaces(path);
  }
  return response;
}
