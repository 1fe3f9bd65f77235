import execa from "execa";

/** The helm command line failed, or is not there; the message is helm's own, cleaned of its noise. */
export class HelmError extends Error {}

/**
 * Runs helm and returns what it printed. Secret values never belong in `args` (any user of the machine reads argv);
 * they go through a file of mode 0600.
 *
 * @param options `env` is added to the environment; undefined values are taken out of it.
 * @throws HelmError with helm's error text, or how to get helm when it is missing.
 */
export async function helm(
  args: string[],
  options: { timeoutSeconds?: number; env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const timeout = (options.timeoutSeconds ?? 120) * 1000;
  const result = await execa("helm", args, { reject: false, timeout, maxBuffer: 512 * 1024 * 1024, env: options.env });
  // execa reports a program that could not be started without an exit code.
  if (result.failed && result.exitCode === undefined && !result.timedOut) {
    throw new HelmError("helm is not on PATH. Install helm 3.14 or newer (https://helm.sh/docs/intro/install/).");
  }
  if (result.timedOut) throw new HelmError(`helm ${args[0] ?? ""} did not answer within ${timeout / 1000} s`);
  if (result.exitCode !== 0) throw new HelmError(cleanHelmError(result.stderr));
  return result.stdout;
}

/** A version of helm. */
export interface HelmVersion {
  major: number;
  minor: number;
  /** As helm says it, such as `v3.22.0`. */
  text: string;
}

/** By PATH. */
const asked = new Map<string, Promise<HelmVersion>>();

/** The version of the helm on PATH, asked for once. @throws HelmError when it does not start or does not tell. */
export function helmVersion(): Promise<HelmVersion> {
  const path = process.env["PATH"] ?? "";
  const version = asked.get(path) ?? readVersion();
  asked.set(path, version);
  return version;
}

async function readVersion(): Promise<HelmVersion> {
  const text = (await helm(["version", "--short"])).trim();
  const [, major, minor] = /^v(\d+)\.(\d+)/.exec(text) ?? [];
  if (major === undefined || minor === undefined) throw new HelmError(`helm version --short says "${text}"`);
  return { major: Number(major), minor: Number(minor), text: text.split("+")[0] ?? text };
}

/** Drops warnings and the advice to use `--debug` from helm's stderr, keeps the error itself. */
function cleanHelmError(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => !/^(WARNING:|Use --debug flag|walk\.go)|^\s*$/.test(line));
  const start = lines.findIndex((line) => line.startsWith("Error:"));
  return (
    (start >= 0 ? lines.slice(start) : lines).join("\n").replace(/^Error: /, "") || "helm failed and printed nothing"
  );
}
