import * as grpc from "@grpc/grpc-js";
import { AnalyzerService } from "@pulumi/pulumi/proto/analyzer_grpc_pb";
import {
  AnalyzerHandshakeResponse,
  AnalyzerStackConfigureRequest,
  AnalyzerStackConfigureResponse,
} from "@pulumi/pulumi/proto/analyzer_pb";
import { channelOptions, serve, serviceError } from "../shared/grpc";
import type { StackConfiguration } from "./launch";

const CONFIGURE_STACK = "/pulumirpc.Analyzer/ConfigureStack";
const HANDSHAKE = "/pulumirpc.Analyzer/Handshake";

type RawCall = (request: Buffer) => Promise<Buffer>;

/**
 * Stands between the engine and a policy pack until the pack can be started, and forwards every call afterwards.
 *
 * The engine tells a pack about its stack by a call, but @pulumi/policy reads project, stack and configuration from the
 * environment it was started with. So the engine is given this server first, and the pack starts once the call is in.
 */
export class PolicyProxy {
  readonly #configuration: Deferred<StackConfiguration | undefined> = deferred();
  readonly #pack: Deferred<grpc.Client> = deferred();
  #configureRequest: Buffer | undefined;
  #server: grpc.Server | undefined;

  /** Starts serving; resolves to the port the engine should talk to. */
  async start(): Promise<number> {
    // A pack that never starts is reported by the call that waits for it.
    this.#pack.promise.catch(() => undefined);
    const definition: Record<string, grpc.MethodDefinition<Buffer, Buffer>> = {};
    const implementation: grpc.UntypedServiceImplementation = {};
    for (const [name, method] of Object.entries(AnalyzerService)) {
      definition[name] = { ...passThrough(method.path), originalName: name };
      implementation[name] = unary((request) => this.#handle(method.path, request));
    }
    const { server, port } = await serve(definition, implementation);
    this.#server = server;
    return port;
  }

  /** Resolves to what the engine says about the stack; undefined when it goes ahead without. */
  get configuration(): Promise<StackConfiguration | undefined> {
    return this.#configuration.promise;
  }

  /** Forwards to the pack that listens on this port from now on. */
  async attach(port: number): Promise<void> {
    const client = new grpc.Client(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), channelOptions);
    if (this.#configureRequest !== undefined) {
      try {
        await forward(client, CONFIGURE_STACK, this.#configureRequest);
      } catch (error) {
        if (!isUnimplemented(error)) throw error;
      }
    }
    this.#pack.resolve(client);
  }

  /** Fails every call that waits for the pack. */
  fail(error: Error): void {
    this.#pack.reject(error);
  }

  stop(): void {
    this.fail(new Error("the policy pack has ended"));
    this.#pack.promise.then(
      (client) => client.close(),
      () => undefined,
    );
    this.#server?.forceShutdown();
  }

  async #handle(path: string, request: Buffer): Promise<Buffer> {
    if (path === HANDSHAKE) return Buffer.from(new AnalyzerHandshakeResponse().serializeBinary());
    if (path === CONFIGURE_STACK) {
      this.#configureRequest = request;
      this.#configuration.resolve(readConfiguration(request));
      return Buffer.from(new AnalyzerStackConfigureResponse().serializeBinary());
    }
    this.#configuration.resolve(undefined);
    return forward(await this.#pack.promise, path, request);
  }
}

function readConfiguration(request: Buffer): StackConfiguration {
  const message = AnalyzerStackConfigureRequest.deserializeBinary(request);
  return {
    organization: message.getOrganization(),
    project: message.getProject(),
    stack: message.getStack(),
    dryRun: message.getDryRun(),
    config: Object.fromEntries(message.getConfigMap().entries()),
  };
}

function passThrough(path: string): grpc.MethodDefinition<Buffer, Buffer> {
  const same = (bytes: Buffer) => bytes;
  return {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

function unary(handle: RawCall): grpc.handleUnaryCall<Buffer, Buffer> {
  return (call, callback) => {
    handle(call.request).then(
      (response) => callback(null, response),
      (error: unknown) => callback(isServiceError(error) ? error : serviceError(error)),
    );
  };
}

function forward(client: grpc.Client, path: string, request: Buffer): Promise<Buffer> {
  const { requestSerialize, responseDeserialize } = passThrough(path);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, (error, response) => {
      if (error) reject(error);
      else resolve(response ?? Buffer.alloc(0));
    });
  });
}

function isServiceError(error: unknown): error is grpc.ServiceError {
  return error instanceof Error && "code" in error && "details" in error;
}

function isUnimplemented(error: unknown): boolean {
  return isServiceError(error) && error.code === grpc.status.UNIMPLEMENTED;
}

interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
