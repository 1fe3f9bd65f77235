import type * as grpc from "@grpc/grpc-js";
import type { ILanguageRuntimeServer } from "@pulumi/pulumi/proto/language_grpc_pb";
import {
  AboutResponse,
  DependencyInfo,
  GetProgramDependenciesResponse,
  GetRequiredPackagesResponse,
  GetRequiredPluginsResponse,
  InstallDependenciesResponse,
  LanguageHandshakeResponse,
  RunResponse,
  RuntimeOptionsResponse,
  type RunRequest,
} from "@pulumi/pulumi/proto/language_pb";
import { PackageDependency, PluginDependency, PluginInfo } from "@pulumi/pulumi/proto/plugin_pb";
import { version } from "@pulumi/pulumi/package.json";
import { Empty } from "google-protobuf/google/protobuf/empty_pb";
import { Children } from "./children";
import { serviceError } from "../shared/grpc";
import { launchProgram, locateModule } from "./launch";
import { parseOptions } from "./options";
import { dependencies, requiredPlugins } from "./packages";
import { runPlugin } from "./run-plugin";

/** Exit code by which the SDK says: the error was shown already, say nothing more. */
const ALREADY_REPORTED = 32;

type Handlers = Pick<
  ILanguageRuntimeServer,
  | "handshake"
  | "getPluginInfo"
  | "getRequiredPackages"
  | "getRequiredPlugins"
  | "getProgramDependencies"
  | "about"
  | "runtimeOptionsPrompts"
  | "installDependencies"
  | "run"
  | "runPlugin"
  | "cancel"
>;

/**
 * The embedded Node language host: runs programs and policy packs for the engine with the SDK's own runners, as the
 * official host does. Code generation and packing are left out: the sandbox generates nothing.
 */
export function languageHost(engineAddress: string, children: Children): grpc.UntypedServiceImplementation {
  const handlers: Handlers = {
    handshake: (_call, callback) => callback(null, new LanguageHandshakeResponse()),

    getPluginInfo: (_call, callback) => callback(null, new PluginInfo().setVersion(version)),

    getRequiredPackages: answer((request) => {
      const packages = requiredPlugins(request.getInfo()?.getProgramDirectory() ?? ".").map((plugin) =>
        new PackageDependency()
          .setKind("resource")
          .setName(plugin.name)
          .setVersion(plugin.version)
          .setServer(plugin.server),
      );
      return new GetRequiredPackagesResponse().setPackagesList(packages);
    }),

    getRequiredPlugins: answer((request) => {
      const plugins = requiredPlugins(request.getInfo()?.getProgramDirectory() ?? request.getPwd()).map((plugin) =>
        new PluginDependency()
          .setKind("resource")
          .setName(plugin.name)
          .setVersion(plugin.version)
          .setServer(plugin.server),
      );
      return new GetRequiredPluginsResponse().setPluginsList(plugins);
    }),

    getProgramDependencies: answer((request) => {
      const found = dependencies(request.getInfo()?.getProgramDirectory() ?? ".", request.getTransitivedependencies());
      const list = found.map(({ name, version }) => new DependencyInfo().setName(name).setVersion(version));
      return new GetProgramDependenciesResponse().setDependenciesList(list);
    }),

    about: (_call, callback) =>
      callback(null, new AboutResponse().setExecutable(process.execPath).setVersion(process.version)),

    runtimeOptionsPrompts: (_call, callback) => callback(null, new RuntimeOptionsResponse()),

    installDependencies: (call) => {
      const note = `The embedded language host installs nothing: run "npm ci" in ${call.request.getDirectory()}.\n`;
      call.write(new InstallDependenciesResponse().setStdout(Buffer.from(note)));
      call.end();
    },

    run: (call, callback) => {
      runProgram(call, engineAddress, children).then(
        (response) => callback(null, response),
        (error: unknown) => callback(null, new RunResponse().setError(serviceError(error).details ?? "")),
      );
    },

    runPlugin: (call) => {
      runPlugin(call, children).then(
        () => call.end(),
        (error: unknown) => call.destroy(Object.assign(new Error(), serviceError(error))),
      );
    },

    cancel: (_call, callback) => {
      children.interruptAll();
      callback(null, new Empty());
    },
  };
  return { ...handlers };
}

async function runProgram(
  call: grpc.ServerUnaryCall<RunRequest, RunResponse>,
  engineAddress: string,
  children: Children,
): Promise<RunResponse> {
  const request = call.request;
  const info = request.getInfo();
  const programDirectory = info?.getProgramDirectory() ?? request.getPwd();
  const { args, env } = launchProgram(
    {
      runner: locateModule("@pulumi/pulumi/cmd/run", programDirectory),
      monitorAddress: request.getMonitorAddress(),
      engineAddress,
      organization: request.getOrganization(),
      project: request.getProject(),
      stack: request.getStack(),
      rootDirectory: info?.getRootDirectory() ?? "",
      programDirectory,
      entryPoint: info?.getEntryPoint() ?? ".",
      dryRun: request.getDryrun(),
      parallel: request.getParallel(),
      args: request.getArgsList(),
      config: Object.fromEntries(request.getConfigMap().entries()),
      configSecretKeys: request.getConfigsecretkeysList(),
    },
    parseOptions(info?.getOptions()?.toJavaScript()),
  );
  const child = children.start(args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  child.process.stdout?.pipe(process.stdout, { end: false });
  child.process.stderr?.pipe(process.stderr, { end: false });
  call.on("cancelled", () => child.interrupt());
  return programResult(await child.exit);
}

/** What the engine is told about a program that ended with this exit code. */
export function programResult(code: number): RunResponse {
  if (code === 0) return new RunResponse();
  if (code === ALREADY_REPORTED) return new RunResponse().setBail(true);
  return new RunResponse().setError(`Program exited with non-zero exit code: ${code}`);
}

/** A handler whose answer is computed from the request alone. */
function answer<Request, Response>(compute: (request: Request) => Response): grpc.handleUnaryCall<Request, Response> {
  return (call, callback) => {
    try {
      callback(null, compute(call.request));
    } catch (error) {
      callback(serviceError(error));
    }
  };
}
