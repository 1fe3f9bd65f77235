import { UserError } from "../shared/user-error";
import * as fs from "node:fs";
import * as path from "node:path";
import type { Stack } from "@pulumi/pulumi/automation";
import execa from "execa";
import { z } from "zod";
import { answered } from "./engine";
import { keyText } from "../config/config-commands";
import { newConfig, type SecretLeaf, stackFile } from "../history/config-file";
import { valueOf } from "../history/recorded";
import type { RecordedValue, Update } from "../history/updates";

/** A setting of Pulumi.yaml that the library's type leaves out. */
const located = z.looseObject({ stackConfigDir: z.string().optional() });

/** The file that a stack's configuration is in. */
export class StackFile {
  private constructor(
    private readonly stack: Stack,
    /** Absolute path. */
    readonly path: string,
    private readonly project: string,
    /** The project's defaults, by key. */
    readonly defaults: Record<string, unknown>,
    /** What the file sets, decrypted: never to be printed. */
    readonly present: ReadonlyMap<string, RecordedValue>,
    /** The file as it was read. */
    private readonly text: string,
  ) {}

  static async of(stack: Stack): Promise<StackFile> {
    const { workspace, name } = stack;
    const [settings, all] = await Promise.all([workspace.projectSettings(), answered(stack.getAllConfig())]);
    const folder = path.resolve(workspace.workDir, located.parse(settings).stackConfigDir ?? "");
    const prefix = `${settings.name}:`;
    const own = Object.entries(all).filter(([key]) => key.startsWith(prefix));
    const present = own.map(([key, { value, secret = false }]) => {
      return [key.slice(prefix.length), { value: valueOf(value), secret }] as const;
    });
    const defaults = Object.entries(settings.config ?? {}).map(([key, one]) => [key, defaultOf(one)] as const);
    // A link to the file stays one.
    const file = fs.realpathSync(path.join(folder, `Pulumi.${name.split("/").at(-1) ?? name}.yaml`));
    const text = fs.readFileSync(file, "utf8");
    return new StackFile(stack, file, settings.name, Object.fromEntries(defaults), new Map(present), text);
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
      throw new UserError(
        "stack",
        `the value of ${unreadable[0]} in update ${number} cannot be decrypted`,
        "it was encrypted with another passphrase or key; choose a later update, or set version and values by hand",
      );
    }
    const wanted = newConfig(config, this.defaults);
    const recorded = new Map([...config].map(([key, one]) => [key, { ...one, value: valueOf(one.value) }]));
    const { text, secrets } = stackFile(this.text, this.project, this.present, recorded, wanted, acknowledge);
    const file = path.join(folder, path.basename(this.path));
    fs.writeFileSync(file, text, { mode: 0o600 });
    for (const leaf of secrets) await this.setSecret(file, leaf);
    return file;
  }

  /** Puts a copy in the place of the file, at once. @throws UserError when somebody changed the file meanwhile. */
  replaceBy(copy: string): void {
    if (fs.readFileSync(this.path, "utf8") !== this.text) {
      throw new UserError("stack", `${this.path} was changed meanwhile; nothing was done`, "look at it, then repeat");
    }
    const beside = `${this.path}.new`;
    fs.writeFileSync(beside, fs.readFileSync(copy), { mode: fs.statSync(this.path).mode });
    fs.renameSync(beside, this.path);
  }

  private async setSecret(file: string, { path: at, text }: SecretLeaf): Promise<void> {
    const key = `${this.project}:${keyText(at)}`;
    const args = ["config", "set", "--secret", "--path", key, "--stack", this.stack.name, "--config-file", file];
    // The CLI takes one line end off what it reads.
    const { workDir, envVars } = this.stack.workspace;
    const run = await execa("pulumi", args, { cwd: workDir, env: envVars, input: `${text}\n`, reject: false });
    if (run.failed)
      throw new UserError("stack", `${key} cannot be encrypted: ${run.stderr.trim().split("\n")[0] ?? ""}`);
  }
}

/** What the CLI shows for a value that it cannot decrypt. */
const UNREADABLE = "ERROR_UNABLE_TO_DECRYPT";

function defaultOf(setting: unknown): unknown {
  return typeof setting === "object" && setting !== null && "default" in setting ? setting.default : undefined;
}
