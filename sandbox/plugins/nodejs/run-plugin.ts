import type * as grpc from "@grpc/grpc-js";
import { RunPluginResponse, type RunPluginRequest } from "@pulumi/pulumi/proto/language_pb";
import type { Child, Children } from "./children";
import { isPolicyPack, launchPlugin, locateModule, type PluginRun } from "./launch";
import { parseOptions, type NodeOptions } from "./options";
import { PolicyProxy } from "./policy-proxy";

export type RunPluginCall = grpc.ServerWritableStream<RunPluginRequest, RunPluginResponse>;

/** Runs a policy pack or a TypeScript provider until it ends or the engine cancels the call, streaming its output. */
export async function runPlugin(call: RunPluginCall, children: Children): Promise<void> {
  const request = call.request;
  const info = request.getInfo();
  const programDirectory = info?.getProgramDirectory() ?? request.getProgram();
  const options = parseOptions(info?.getOptions()?.toJavaScript());
  const kind = request.getKind();
  const runner = locateModule(
    `@pulumi/pulumi/cmd/${isPolicyPack(kind) ? "run-policy-pack" : "run-plugin"}`,
    programDirectory,
  );
  const run: PluginRun = { runner, kind, programDirectory, args: request.getArgsList() };
  const code = isPolicyPack(kind)
    ? await runPolicyPack(call, children, run, options)
    : await runProvider(call, children, run, options);
  if (code !== 0 && !call.cancelled) throw new Error(`Program exited with non-zero exit code: ${code}`);
}

async function runProvider(
  call: RunPluginCall,
  children: Children,
  run: PluginRun,
  options: NodeOptions,
): Promise<number> {
  const { args, env } = launchPlugin(run, options);
  const child = start(call, children, args, env, call.request.getPwd());
  child.process.stdout?.on("data", (data: Buffer) => sendOutput(call, data));
  return child.exit;
}

async function runPolicyPack(
  call: RunPluginCall,
  children: Children,
  run: PluginRun,
  options: NodeOptions,
): Promise<number> {
  const proxy = new PolicyProxy();
  try {
    sendOutput(call, Buffer.from(`${await proxy.start()}\n`));
    const stack = await Promise.race([proxy.configuration, cancellation(call)]);
    const { args, env } = launchPlugin(run, options, stack);
    // Policy packs have always run in their own folder, unlike other plugins.
    const child = start(call, children, args, env, run.programDirectory);
    onPort(child, (port, rest) => {
      if (rest.length > 0) sendOutput(call, rest);
      child.process.stdout?.on("data", (data: Buffer) => sendOutput(call, data));
      proxy.attach(port).catch((error: Error) => proxy.fail(error));
    });
    const code = await child.exit;
    proxy.fail(
      new Error(`the policy pack at ${run.programDirectory} ended with exit code ${code}; its output says why`),
    );
    return code;
  } finally {
    proxy.stop();
  }
}

function start(
  call: RunPluginCall,
  children: Children,
  args: string[],
  env: Record<string, string>,
  cwd: string,
): Child {
  const child = children.start(args, {
    cwd,
    env: { ...parseEnvironment(call.request.getEnvList()), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.process.stderr?.on("data", (data: Buffer) => call.write(new RunPluginResponse().setStderr(data)));
  call.on("cancelled", () => child.kill());
  if (call.cancelled) child.kill();
  return child;
}

/** Reads the first line of the pack's output, its port, and hands over what came after it in the same piece. */
function onPort(child: Child, ready: (port: number, rest: Buffer) => void): void {
  let seen = Buffer.alloc(0);
  const read = (data: Buffer) => {
    seen = Buffer.concat([seen, data]);
    const end = seen.indexOf("\n");
    if (end < 0) return;
    child.process.stdout?.off("data", read);
    ready(Number(seen.subarray(0, end).toString().trim()), seen.subarray(end + 1));
  };
  child.process.stdout?.on("data", read);
}

function sendOutput(call: RunPluginCall, data: Buffer): void {
  if (!call.cancelled) call.write(new RunPluginResponse().setStdout(data));
}

function cancellation(call: RunPluginCall): Promise<never> {
  return new Promise((_resolve, reject) => call.once("cancelled", () => reject(new Error("cancelled"))));
}

/** The request carries the environment as `NAME=value` lines; later ones win. */
function parseEnvironment(lines: string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const equals = line.indexOf("=");
      return [line.slice(0, equals), line.slice(equals + 1)];
    }),
  );
}
