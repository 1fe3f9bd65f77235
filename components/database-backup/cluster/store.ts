import { createHash } from "node:crypto";
import { type Readable, Transform } from "node:stream";
import type { BackupManifest } from "../manifest";

/** What arrived at the destination. */
export interface Stored {
  bytes: number;
  sha256: string;
}

/**
 * A place for backups of one stack. Files are named by their last part; a backup is `ID.dump` and its manifest
 * `ID.json`.
 */
export interface BackupStore {
  /** Path or URL of a file. */
  locate(file: string): string;
  /** Refuses a destination that cannot work; changes nothing there. @throws UserError */
  check(): Promise<void>;
  /** Removes what killed runs left of backups of these databases. */
  cleanUp(names: readonly string[]): Promise<void>;
  /** Stores a dump that is not yet verified; it counts for nothing. @throws UserError when it does not fit. */
  write(file: string, content: Readable): Promise<Stored>;
  /** @param unverified the dump as {@link write} left it. */
  read(file: string, unverified?: boolean): Promise<Readable>;
  /** Makes a verified dump count: gives it its name and writes the manifest beside it, last. */
  finish(manifest: BackupManifest): Promise<void>;
  /** Makes a file that has no manifest count: gives it its name. */
  keep(file: string): Promise<void>;
  /** Removes a file that neither {@link finish} nor {@link keep} was called for. */
  discard(file: string): Promise<void>;
  /** All finished backups of the stack; files that are none are passed over. */
  list(): Promise<BackupManifest[]>;
  /** Removes a finished backup, its manifest first. */
  remove(manifest: BackupManifest): Promise<void>;
  /**
   * Run of the newest backup of the stack, as far as that can be told without changing anything; undefined when there
   * is none.
   */
  newestRun(): Promise<string | undefined>;
  /** Gives back what the store holds, also after errors; it may be used again afterwards. */
  close(): Promise<void>;
}

/** The newest of some backups; runs sort by time. */
export const newestOf = (backups: readonly BackupManifest[]) =>
  backups
    .map(({ run }) => run)
    .sort()
    .at(-1);

/** Counts and hashes what passes through. */
export class Meter extends Transform {
  bytes = 0;
  private readonly hash = createHash("sha256");

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: (error: null, chunk: Buffer) => void): void {
    this.measure(chunk);
    done(null, chunk);
  }

  /** Counts a chunk that passes elsewhere. */
  measure(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.hash.update(chunk);
  }

  /** To be asked once, at the end. */
  result(): Stored {
    return { bytes: this.bytes, sha256: this.hash.digest("hex") };
  }
}

/** Name of a manifest by that of its dump. */
export const manifestFile = (dump: string) => dump.replace(/\.dump$/, ".json");

/** A manifest as it is written. */
export const manifestText = (manifest: BackupManifest) => `${JSON.stringify(manifest, undefined, 2)}\n`;
