import { UserError } from "../../../shared/user-error";
import { createReadStream } from "node:fs";
import * as fs from "node:fs/promises";
import * as path from "node:path";
import type { Readable } from "node:stream";
import { type BackupManifest, isLeftOver, parseManifest } from "../manifest";

import { type BackupStore, manifestFile, manifestText, Meter, newestOf, type Stored } from "./store";

/**
 * Backups in a folder, a sub-folder for each stack. A dump is `*.partial` until it is verified; it is on the disk, and
 * its name in the folder, before it counts.
 */
export class LocalStore implements BackupStore {
  private readonly root: string;
  private readonly folder: string;

  constructor(root: string, stack: string) {
    this.root = path.resolve(root);
    this.folder = path.join(this.root, stack);
  }

  locate(file: string): string {
    return path.join(this.folder, path.basename(file));
  }

  async check(): Promise<void> {
    let at = this.folder;
    for (;;) {
      try {
        await fs.lstat(at); // a link that leads nowhere is there, too, and no folder can be made in its place
        if (!(await fs.stat(at).catch(() => undefined))?.isDirectory())
          throw Object.assign(new Error(`${at} is not a folder`), { code: "ENOTDIR" });
        await fs.access(at, fs.constants.W_OK | fs.constants.X_OK);
        return;
      } catch (error) {
        if (codeOf(error) !== "ENOENT" || path.dirname(at) === at) throw this.refusal("cannot be used", error);
        at = path.dirname(at);
      }
    }
  }

  async cleanUp(names: readonly string[]): Promise<void> {
    const files = await this.files();
    const left = files.filter((file) => names.some((name) => isLeftOver(file, name)));
    await Promise.all(left.map((file) => fs.rm(path.join(this.folder, file), { force: true })));
  }

  async write(file: string, content: Readable): Promise<Stored> {
    const partial = `${this.locate(file)}.partial`;
    const meter = new Meter();
    try {
      // Dumps hold password hashes and personal data.
      await fs.mkdir(this.folder, { recursive: true, mode: 0o700 });
      const handle = await fs.open(partial, "wx", 0o600);
      try {
        // A pipeline into a write stream that leaves the handle open never ends in Node 20, and one into a function
        // reports "aborted" instead of "no space left".
        for await (const chunk of content as AsyncIterable<Buffer>) {
          meter.measure(chunk);
          await handle.appendFile(chunk);
        }
        await handle.sync();
      } finally {
        await handle.close();
      }
      return meter.result();
    } catch (error) {
      await fs.rm(partial, { force: true });
      throw this.refusal("cannot be written to", error);
    }
  }

  read(file: string, unverified = false): Promise<Readable> {
    return Promise.resolve(createReadStream(`${this.locate(file)}${unverified ? ".partial" : ""}`));
  }

  async finish(manifest: BackupManifest): Promise<void> {
    const dump = this.locate(manifest.file);
    const beside = manifestFile(dump);
    try {
      const handle = await fs.open(`${beside}.partial`, "w", 0o600);
      try {
        await handle.writeFile(manifestText(manifest));
        await handle.sync();
      } finally {
        await handle.close();
      }
      await fs.rename(`${dump}.partial`, dump);
      await fs.rename(`${beside}.partial`, beside);
      const folder = await fs.open(this.folder, "r");
      await folder.sync().finally(() => folder.close());
    } catch (error) {
      await fs.rm(`${beside}.partial`, { force: true });
      throw this.refusal("cannot be written to", error);
    }
  }

  async keep(file: string): Promise<void> {
    try {
      await fs.rename(`${this.locate(file)}.partial`, this.locate(file));
      const folder = await fs.open(this.folder, "r");
      await folder.sync().finally(() => folder.close());
    } catch (error) {
      throw this.refusal("cannot be written to", error);
    }
  }

  async discard(file: string): Promise<void> {
    await fs.rm(`${this.locate(file)}.partial`, { force: true });
  }

  async list(): Promise<BackupManifest[]> {
    const names = (await this.files()).filter((file) => file.endsWith(".json"));
    const texts = await Promise.all(
      names.map((file) => fs.readFile(path.join(this.folder, file), "utf8").catch(() => "")),
    );
    return texts.flatMap((text) => parseManifest(text) ?? []);
  }

  async remove(manifest: BackupManifest): Promise<void> {
    const dump = this.locate(manifest.file);
    await fs.rm(manifestFile(dump), { force: true });
    await fs.rm(dump, { force: true });
  }

  async newestRun(): Promise<string | undefined> {
    return newestOf(await this.list());
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private async files(): Promise<string[]> {
    try {
      return await fs.readdir(this.folder);
    } catch (error) {
      if (codeOf(error) === "ENOENT") return [];
      throw this.refusal("cannot be read", error);
    }
  }

  private refusal(what: string, error: unknown): UserError {
    if (error instanceof UserError) return error;
    const why = error instanceof Error ? error.message : String(error);
    const full = ["ENOSPC", "EDQUOT"].includes(codeOf(error) ?? "");
    return new UserError(
      "backup",
      `the backup destination ${this.folder} ${what}: ${full ? "the disk is full" : why}`,
      full
        ? `make room there, or choose another place: pulumi config set --path backup.destination <folder>`
        : `choose a folder that may be written to: pulumi config set --path backup.destination <folder>`,
    );
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
