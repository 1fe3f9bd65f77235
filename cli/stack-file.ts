import * as fs from "node:fs";
import * as path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import execa from "execa";
import { z } from "zod";
import { keyText } from "../plan/config-commands";
import { newConfig, type SecretLeaf, stackFile } from "../plan/history/config-file";
import type { RecordedValue, Update } from "../plan/history/updates";
import { CliError } from "./engine";

/** A setting of Pulumi.yaml that the library's type leaves out. */
const located = z.looseObject({ stackConfigDir: z.string().optional() });

/** The file that a stack's configuration is in. */
export class StackFile {
  private constructor(
    private readonly stack: Stack,
    /** Absolute path. */
    readonly path: string,
    private readonly project: string,
    private readonly defaults: Record<string, unknown>,
    private readonly present: ReadonlyMap<string, RecordedValue>,
  ) {}

  static async of(stack: Stack): Promise<StackFile> {
    const { workspace, name } = stack;
    const [settings, all] = await Promise.all([workspace.projectSettings(), stack.getAllConfig()]);
    const folder = path.resolve(workspace.workDir, located.parse(settings).stackConfigDir ?? "");
    const prefix = `${settings.name}:`;
    const own = Object.entries(all).filter(([key]) => key.startsWith(prefix));
    const present = own.map(([key, { value, secret = false }]) => {
      return [key.slice(prefix.length), { value: parsed(value), secret }] as const;
    });
    const defaults = Object.entries(settings.config ?? {}).map(([key, one]) => [key, defaultOf(one)] as const);
    const file = path.join(folder, `Pulumi.${name.split("/").at(-1) ?? name}.yaml`);
    return new StackFile(stack, file, settings.name, Object.fromEntries(defaults), new Map(present));
  }

  /**
   * Writes a copy that has the configuration of an update.
   *
   * @param acknowledge policies to acknowledge in it.
   *
   * @returns its path. Secrets in it are encrypted; they go to the CLI through stdin, never on a command line.
   */
  async withConfigOf({ config, number }: Update, acknowledge: Record<string, string>, folder: string): Promise<string> {
    const unreadable = [...config].find(([, { value }]) => value === UNREADABLE);
    if (unreadable) {
      throw new CliError(
        `the value of ${unreadable[0]} in update ${number} cannot be decrypted\n` +
          "  Fix: it was encrypted with another passphrase or key; choose a later update, or set version and values by hand",
      );
    }
    const wanted = newConfig(config, this.defaults);
    const recorded = new Map([...config].map(([key, one]) => [key, { ...one, value: textOr(one.value) }]));
    const before = fs.readFileSync(this.path, "utf8");
    const { text, secrets } = stackFile(before, this.project, this.present, recorded, wanted, acknowledge);
    const file = path.join(folder, path.basename(this.path));
    fs.writeFileSync(file, text, { mode: 0o600 });
    for (const leaf of secrets) await this.setSecret(file, leaf);
    return file;
  }

  /** Puts a copy in the place of the file, at once. */
  replaceBy(copy: string): void {
    const beside = `${this.path}.new`;
    fs.writeFileSync(beside, fs.readFileSync(copy), { mode: fs.statSync(this.path).mode });
    fs.renameSync(beside, this.path);
  }

  private async setSecret(file: string, { path: at, text }: SecretLeaf): Promise<void> {
    const key = `${this.project}:${keyText(at)}`;
    const args = ["config", "set", "--secret", "--path", key, "--stack", this.stack.name, "--config-file", file];
    const { workDir, envVars } = this.stack.workspace;
    const run = await execa("pulumi", args, { cwd: workDir, env: envVars, input: text, reject: false });
    if (run.failed) throw new CliError(`${key} cannot be encrypted: ${run.stderr.trim().split("\n")[0] ?? ""}`);
  }
}

/** What the CLI shows for a value that it cannot decrypt. */
const UNREADABLE = "ERROR_UNABLE_TO_DECRYPT";

/** Maps and lists come as JSON text from `pulumi config`. */
function parsed(text: string): unknown {
  if (!/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** The history has what is no map or list as text. */
function textOr(value: unknown): unknown {
  return typeof value === "object" && value !== null ? value : parsed(String(value));
}

function defaultOf(setting: unknown): unknown {
  return typeof setting === "object" && setting !== null && "default" in setting ? setting.default : undefined;
}
