import { resolve } from "node:path";
import execa from "execa";
import { parse } from "yaml";
import { z } from "zod";

/** A credential plugin, as a kubeconfig names it. */
export const execPlugin = z.looseObject({
  apiVersion: z.string().nullish(),
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  installHint: z.string().nullish(),
  provideClusterInfo: z.boolean().nullish(),
});

const answer = z.looseObject({
  apiVersion: z.string(),
  status: z.looseObject({
    token: z.string().nullish(),
    clientCertificateData: z.string().nullish(),
    clientKeyData: z.string().nullish(),
    expirationTimestamp: z.coerce.string().nullish(),
  }),
});

/** What a credential plugin gave. */
export type ExecCredential = z.infer<typeof answer>["status"];

/**
 * Asks a credential plugin, as the protocol has it: KUBERNETES_EXEC_INFO says which version is spoken, that there is
 * nobody to ask, and about which cluster it is where the plugin wants to know. Plugins must not read what is meant for
 * this program, so their stdin is empty.
 *
 * Not by the Kubernetes client: it says neither, and a plugin that reads stdin waits forever. Source: Kubernetes' docs,
 * "client-go credential plugins".
 *
 * @param folder that of the kubeconfig, which a command with a slash is relative to.
 * @param cluster the cluster's part of KUBERNETES_EXEC_INFO.
 * @throws Error that says in one line what the plugin said. Nothing of its output is quoted: it may be a token.
 */
export async function askPlugin(
  plugin: z.infer<typeof execPlugin>,
  folder: string,
  cluster: object,
): Promise<ExecCredential> {
  const { apiVersion, command, args, env, installHint, provideClusterInfo } = plugin;
  const spec = { interactive: false, ...(provideClusterInfo ? { cluster } : {}) };
  const info = { kind: "ExecCredential", apiVersion, spec };
  const { failed, exitCode, stdout, stderr, code } = (await execa(
    command.includes("/") ? resolve(folder, command) : command,
    args ?? [],
    {
      reject: false,
      stdin: "ignore",
      env: {
        ...Object.fromEntries((env ?? []).map(({ name, value }) => [name, value])),
        KUBERNETES_EXEC_INFO: JSON.stringify(info),
      },
    },
  )) as execa.ExecaReturnValue & { code?: string };
  const bad = (why: string) => new Error(`the credential plugin ${command} ${why}`);
  if (exitCode === undefined && code === "ENOENT")
    throw bad(`is not there${installHint ? `: ${oneLine(installHint)}` : ""}`);
  if (failed) throw bad(`failed (exit code ${exitCode ?? "none"}): ${oneLine(stderr) || "it said nothing"}`);
  const given = answer.safeParse(read(stdout));
  if (!given.success) throw bad("printed no ExecCredential with a status");
  if (apiVersion && given.data.apiVersion !== apiVersion)
    throw bad(`answers with ${given.data.apiVersion}, and the kubeconfig says ${apiVersion}`);
  return given.data.status;
}

function read(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function oneLine(text: string): string {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .slice(-3)
    .join("; ");
}
