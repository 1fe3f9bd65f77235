import { spawn, type ChildProcess } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { createInterface } from "node:readline";
import * as grpc from "@grpc/grpc-js";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Struct } from "google-protobuf/google/protobuf/struct_pb";
import { EngineService } from "@pulumi/pulumi/proto/engine_grpc_pb";
import { type LogRequest, LogSeverity } from "@pulumi/pulumi/proto/engine_pb";
import { ResourceProviderClient } from "@pulumi/pulumi/proto/provider_grpc_pb";
import * as rpc from "@pulumi/pulumi/proto/provider_pb";
import { z } from "zod";

export type Values = Record<string, unknown>;

const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const SECRET_SIGNATURE = "1b47061264138c4ac30d75fd1eb44270";
/** How an unknown value looks on the wire. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** Marks a value secret, as the engine sends it. */
export const secret = (value: unknown): Values => ({ [SIGNATURE_KEY]: SECRET_SIGNATURE, value });

export function isSecret(value: unknown): boolean {
  return typeof value === "object" && value !== null && (value as Values)[SIGNATURE_KEY] === SECRET_SIGNATURE;
}

/** The value without its secret marks. */
export function reveal(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reveal);
  if (typeof value !== "object" || value === null) return value;
  if (isSecret(value)) return reveal((value as Values)["value"]);
  return Object.fromEntries(Object.entries(value).map(([key, at]) => [key, reveal(at)]));
}

/** The value at a path, its secret marks left as they are at the end of the path only. */
export function at(value: unknown, ...keys: (string | number)[]): unknown {
  return keys.reduce<unknown>((holder, key) => {
    const inner = isSecret(holder) ? (holder as Values)["value"] : holder;
    return typeof inner === "object" && inner !== null ? (inner as Values)[key] : undefined;
  }, value);
}

/** The error with which a promise is rejected; throws when it is not. */
export async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it was expected to fail, but did not");
}

/** A plugin to run the cases against. */
export interface PluginUnderTest {
  title: string;
  executable: string;
}

/** The embedded plugin and, when it is installed, the official one of that version. */
export function pluginsUnderTest(name: string, version: string): PluginUnderTest[] {
  const file = `pulumi-resource-${name}`;
  const embedded = path.resolve(__dirname, "../../sandbox/plugins/bin", file);
  const home = process.env.PULUMI_HOME ?? path.join(os.homedir(), ".pulumi");
  const folders = [
    path.join(home, `plugins/resource-${name}-v${version}`),
    ...(process.env.PATH ?? "").split(path.delimiter),
  ];
  const official = folders
    .map((folder) => path.join(folder, file))
    .find((candidate) => fs.existsSync(candidate) && fs.realpathSync(candidate) !== fs.realpathSync(embedded));
  return [
    { title: `embedded ${name} plugin`, executable: embedded },
    ...(official ? [{ title: `official ${name} plugin (${official})`, executable: official }] : []),
  ];
}

/** What the engine keeps of a resource. */
export interface Resource {
  urn: string;
  id: string;
  inputs: Values;
  state: Values;
}

export interface Message {
  urn: string;
  text: string;
  severity: "status" | "info" | "warning" | "error" | "debug";
}

/** The failure of a resource that exists but is not ready. */
export class InitFailed extends Error {
  constructor(
    message: string,
    readonly resource: { id: string; state: Values; inputs: Values | undefined; reasons: string[] },
  ) {
    super(message);
  }
}

/** The partial failure that an error must be. */
export function expectInitFailed(error: Error): InitFailed {
  if (!(error instanceof InitFailed)) throw new Error(`expected a partial failure, got: ${error.message}`);
  return error;
}

interface Options {
  preview?: boolean;
  /** Seconds. */
  timeout?: number;
  /** Send the inputs as they are, without the `apiVersion` and `kind` that the SDK adds. */
  bare?: boolean;
}

/**
 * Inputs as the SDK sends them: its class of each Kubernetes kind adds `apiVersion` and `kind`. The official provider
 * goes by these alone (docs/provider-facts.md).
 */
export function asSdkSends(urn: string, inputs: Values): Values {
  const [provider, group = "", name = ""] = (urn.split("::")[2] ?? "").split(":");
  if (provider !== "kubernetes" || group.startsWith("helm.sh/")) return inputs;
  return { ...inputs, apiVersion: group.replace(/^core\//, ""), kind: name.replace(/Patch$/, "") };
}

/**
 * Talks to a plugin as the engine does, one request at a time or several at once; inputs are sent as the SDK sends
 * them.
 */
export class PluginClient {
  private constructor(
    private readonly name: string,
    readonly process: ChildProcess,
    private readonly client: ResourceProviderClient,
    private readonly engine: grpc.Server,
    /** What the plugin said so far. */
    readonly messages: Message[],
  ) {}

  /** Starts the plugin with an engine of our own that records what the plugin says. */
  static async start(plugin: PluginUnderTest, name: string, env: NodeJS.ProcessEnv = {}): Promise<PluginClient> {
    const engine = new grpc.Server();
    const messages: Message[] = [];
    engine.addService(EngineService, {
      log: (call: grpc.ServerUnaryCall<LogRequest, Empty>, reply: grpc.sendUnaryData<Empty>) => {
        messages.push(toMessage(call.request));
        reply(null, new Empty());
      },
    });
    const port = await new Promise<number>((resolve, reject) =>
      engine.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    // Its own process group, as the engine does it: a plugin may end its group.
    const child = spawn(plugin.executable, [`127.0.0.1:${port}`], {
      env: { ...process.env, ...env },
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    const address = await firstLine(child);
    const client = new ResourceProviderClient(`127.0.0.1:${address}`, grpc.credentials.createInsecure());
    return new PluginClient(name, child, client, engine, messages);
  }

  /** Ends the plugin; resolves when its process is gone. */
  async stop(): Promise<void> {
    this.client.close();
    this.engine.forceShutdown();
    const gone = new Promise((resolve) => this.process.once("exit", resolve));
    if (this.process.exitCode === null && this.process.signalCode === null) {
      this.process.kill("SIGKILL");
      await gone;
    }
  }

  /** Configures the provider; arguments that are no strings travel as JSON text, as from the engine. */
  async configure(args: Values): Promise<rpc.ConfigureResponse> {
    const request = new rpc.ConfigureRequest();
    request.setArgs(struct(args));
    for (const [key, value] of Object.entries(args))
      request.getVariablesMap().set(`${this.name}:config:${key}`, String(value));
    request.setAcceptsecrets(true);
    request.setAcceptresources(true);
    request.setSendsOldInputs(true);
    request.setSendsOldInputsToDelete(true);
    return this.call((reply) => this.client.configure(request, reply));
  }

  async diffConfig(olds: Values, news: Values): Promise<rpc.DiffResponse> {
    const request = new rpc.DiffRequest();
    request.setUrn(`urn:pulumi:dev::conformance::pulumi:providers:${this.name}::provider`);
    request.setOlds(struct(olds));
    request.setOldInputs(struct(olds));
    request.setNews(struct(news));
    return this.call((reply) => this.client.diffConfig(request, reply));
  }

  async check(
    urn: string,
    news: Values,
    olds?: Values,
    bare = false,
  ): Promise<{ inputs: Values; failures: rpc.CheckFailure.AsObject[] }> {
    const request = new rpc.CheckRequest();
    request.setUrn(urn);
    request.setNews(struct(bare ? news : asSdkSends(urn, news)));
    if (olds) request.setOlds(struct(olds));
    request.setRandomseed(new Uint8Array(32).fill(7));
    const response = await this.call<rpc.CheckResponse>((reply) => this.client.check(request, reply));
    return {
      inputs: values(response.getInputs()),
      failures: response.getFailuresList().map((failure) => failure.toObject()),
    };
  }

  async diff(old: Resource, news: Values, ignoreChanges: string[] = []): Promise<Diff> {
    const request = new rpc.DiffRequest();
    request.setId(old.id);
    request.setUrn(old.urn);
    request.setOlds(struct(old.state));
    request.setOldInputs(struct(old.inputs));
    request.setNews(struct(news));
    request.setIgnorechangesList(ignoreChanges);
    return toDiff(await this.call<rpc.DiffResponse>((reply) => this.client.diff(request, reply)));
  }

  /** Check, then create: what the engine does with a resource that it does not have yet. */
  async create(
    urn: string,
    news: Values,
    { preview = false, timeout = 0, bare = false }: Options = {},
  ): Promise<Resource> {
    const { inputs, failures } = await this.check(urn, news, undefined, bare);
    if (failures.length > 0)
      throw new Error(failures.map(({ property, reason }) => `${property}: ${reason}`).join("; "));
    const request = new rpc.CreateRequest();
    request.setUrn(urn);
    request.setProperties(struct(inputs));
    request.setPreview(preview);
    request.setTimeout(timeout);
    const response = await this.call<rpc.CreateResponse>((reply) => this.client.create(request, reply));
    return { urn, id: response.getId(), inputs, state: values(response.getProperties()) };
  }

  /** Check, then update. */
  async update(
    old: Resource,
    news: Values,
    { preview = false, timeout = 0, bare = false }: Options = {},
  ): Promise<Resource> {
    const { inputs } = await this.check(old.urn, news, old.inputs, bare);
    const request = new rpc.UpdateRequest();
    request.setUrn(old.urn);
    request.setId(old.id);
    request.setOlds(struct(old.state));
    request.setOldInputs(struct(old.inputs));
    request.setNews(struct(inputs));
    request.setPreview(preview);
    request.setTimeout(timeout);
    const response = await this.call<rpc.UpdateResponse>((reply) => this.client.update(request, reply));
    return { ...old, inputs, state: values(response.getProperties()) };
  }

  /** Check, then diff: what a preview does with a resource that it has. */
  async plan(old: Resource, news: Values): Promise<Diff> {
    const { inputs } = await this.check(old.urn, news, old.inputs);
    return this.diff(old, inputs);
  }

  /** An import: reads with nothing but the id. Undefined when the object does not exist. */
  async import(urn: string, id: string): Promise<Resource | undefined> {
    return this.read({ urn, id, inputs: {}, state: {} });
  }

  /** A refresh. Undefined when the object does not exist. */
  async read(old: Resource): Promise<Resource | undefined> {
    const request = new rpc.ReadRequest();
    request.setId(old.id);
    request.setUrn(old.urn);
    if (Object.keys(old.inputs).length > 0) request.setInputs(struct(old.inputs));
    if (Object.keys(old.state).length > 0) request.setProperties(struct(old.state));
    const response = await this.call<rpc.ReadResponse>((reply) => this.client.read(request, reply));
    if (response.getId() === "") return undefined;
    const inputs = values(response.getInputs());
    return { urn: old.urn, id: response.getId(), inputs, state: values(response.getProperties()) };
  }

  async delete(old: Resource, { timeout = 0 }: Options = {}): Promise<void> {
    const request = new rpc.DeleteRequest();
    request.setId(old.id);
    request.setUrn(old.urn);
    request.setProperties(struct(old.state));
    request.setOldInputs(struct(old.inputs));
    request.setTimeout(timeout);
    await this.call<Empty>((reply) => this.client.delete(request, reply));
  }

  async cancel(): Promise<void> {
    await this.call<Empty>((reply) => this.client.cancel(new Empty(), reply));
  }

  async version(): Promise<string> {
    return (
      await this.call<{ getVersion(): string }>((reply) => this.client.getPluginInfo(new Empty(), reply))
    ).getVersion();
  }

  /** What the plugin said of a resource so far. */
  said(resource: { urn: string }, severity: Message["severity"]): string[] {
    return this.messages
      .filter((message) => message.urn === resource.urn && message.severity === severity)
      .map(({ text }) => text);
  }

  private call<R>(send: (reply: (error: grpc.ServiceError | null, response: R) => void) => unknown): Promise<R> {
    return new Promise((resolve, reject) => {
      send((error, response) => (error ? reject(failure(error)) : resolve(response)));
    });
  }
}

export interface Diff {
  changes: boolean;
  replaces: string[];
  /** Path to kind, e.g. `UPDATE_REPLACE`. */
  detailed: Record<string, string>;
  deleteBeforeReplace: boolean;
}

export function urnOf(type: string, name: string): string {
  return `urn:pulumi:dev::conformance::${type}::${name}`;
}

function toDiff(response: rpc.DiffResponse): Diff {
  const names = new Map(Object.entries(rpc.PropertyDiff.Kind).map(([kind, number]) => [number as number, kind]));
  const detailed: Record<string, string> = {};
  response.getDetaileddiffMap().forEach((diff, property) => {
    detailed[property] = names.get(diff.getKind()) ?? "";
  });
  return {
    changes: response.getChanges() === rpc.DiffResponse.DiffChanges.DIFF_SOME,
    replaces: response.getReplacesList().sort(),
    detailed,
    deleteBeforeReplace: response.getDeletebeforereplace(),
  };
}

function struct(value: Values): Struct {
  return Struct.fromJavaScript(value as Parameters<typeof Struct.fromJavaScript>[0]);
}

function values(value: Struct | undefined): Values {
  return value ? value.toJavaScript() : {};
}

function toMessage(request: LogRequest): Message {
  const names: Record<number, Message["severity"]> = {
    [LogSeverity.DEBUG]: "debug",
    [LogSeverity.INFO]: request.getEphemeral() ? "status" : "info",
    [LogSeverity.WARNING]: "warning",
    [LogSeverity.ERROR]: "error",
  };
  return { urn: request.getUrn(), text: request.getMessage(), severity: names[request.getSeverity()] ?? "info" };
}

/** Finds the detail by which an error says that the resource exists all the same. */
function failure(error: grpc.ServiceError): Error {
  const [trailer] = error.metadata.get("grpc-status-details-bin");
  if (!Buffer.isBuffer(trailer)) return new Error(error.details);
  const marker = Buffer.from("type.googleapis.com/pulumirpc.ErrorResourceInitFailed");
  const start = trailer.indexOf(marker);
  if (start < 0) return new Error(error.details);
  // What follows in the Any message is its field 2, length-delimited: tag, length as a varint, bytes.
  let offset = start + marker.length + 1;
  let length = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = z.number().parse(trailer[offset++]);
    length += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  const detail = rpc.ErrorResourceInitFailed.deserializeBinary(
    new Uint8Array(trailer.subarray(offset, offset + length)),
  );
  return new InitFailed(error.details, {
    id: detail.getId(),
    state: values(detail.getProperties()),
    inputs: detail.hasInputs() ? values(detail.getInputs()) : undefined,
    reasons: detail.getReasonsList(),
  });
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => reject(new Error(`the plugin ended at its start: ${code ?? signal}`)));
    if (child.stdout) createInterface({ input: child.stdout }).once("line", resolve);
  });
}
