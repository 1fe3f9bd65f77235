import { UserError } from "../shared/user-error";
import { readdir, readFile, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { Parser, type ReadEntry } from "tar";

/** Files of a chart by their path inside it (`templates/a.yaml`). */
export type ChartFiles = Map<string, Buffer>;

/** helm's own limits of a chart: bytes of all its files together, and of one. */
const MAX_CHART_BYTES = 100 * 1024 * 1024;
const MAX_FILE_BYTES = 5 * 1024 * 1024;
const MAX_FILES = 20_000;

/**
 * Reads the files of a chart folder, or of a packaged chart, into memory. As with helm, links in a folder are followed
 * and those in an archive are left out, like special files; more than helm allows is refused. A file in a folder that
 * is too large for helm is passed over.
 *
 * @param budget one for the whole chart, archives inside archives included.
 * @throws UserError when it cannot be read, is no gzip-compressed tar archive, or is larger than helm allows.
 */
export async function readChartFiles(path: string, budget: ChartBudget): Promise<ChartFiles> {
  try {
    const isFolder = await readdir(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === "ENOTDIR") return false;
        throw error;
      },
    );
    if (!isFolder) return await readChartArchive(await readFile(path), path, budget);
    const files: ChartFiles = new Map();
    await walk(path, "", files, budget);
    return files;
  } catch (error) {
    if (error instanceof UserError) throw error;
    const reason = error instanceof Error && "code" in error ? String(error.code) : String(error);
    throw new UserError("chart", `chart "${path}" cannot be read (${reason})`, "check the path and its permissions");
  }
}

/** Counts what a chart takes once unpacked, and refuses more than helm would. */
export class ChartBudget {
  private bytes = 0;
  private files = 0;

  constructor(private readonly chart: string) {}

  add(bytes: number): void {
    this.bytes += bytes;
    if (this.bytes > MAX_CHART_BYTES) throw this.tooLarge(`more than ${MAX_CHART_BYTES / 1024 / 1024} MiB`);
  }

  addFile(name: string, size: number): void {
    if (size > MAX_FILE_BYTES) throw this.tooLarge(`${name} has more than ${MAX_FILE_BYTES / 1024 / 1024} MiB`);
    if (++this.files > MAX_FILES) throw this.tooLarge(`more than ${MAX_FILES} files`);
  }

  private tooLarge(what: string): UserError {
    return new UserError(
      "chart",
      `chart "${this.chart}" is too large: ${what}`,
      "choose a chart package within helm's limits",
    );
  }
}

async function walk(
  root: string,
  folder: string,
  files: ChartFiles,
  budget: ChartBudget,
  above: readonly string[] = [],
): Promise<void> {
  // A link to a folder above would go round for ever.
  const real = await realpath(join(root, folder));
  if (above.includes(real)) return;
  const entries = await readdir(join(root, folder));
  for (const entry of entries.sort()) {
    const name = folder ? `${folder}/${entry}` : entry;
    const found = await stat(join(root, name)).catch(() => undefined);
    if (found?.isDirectory() && entry !== ".git") await walk(root, name, files, budget, [...above, real]);
    // helm passes over files that .helmignore names, and refuses others of this size itself.
    if (!found?.isFile() || found.size > MAX_FILE_BYTES) continue;
    budget.addFile(name, found.size);
    budget.add(found.size);
    files.set(name, await readFile(join(root, name)));
  }
}

/**
 * Reads a packaged chart from memory.
 *
 * @param where names it in errors.
 * @throws UserError as {@link readChartFiles} does.
 */
export async function readChartArchive(archive: Buffer, where: string, budget: ChartBudget): Promise<ChartFiles> {
  const files: ChartFiles = new Map();
  let failure: unknown;
  const fail = (error: unknown) => (failure ??= error);
  const parser = new Parser({
    strict: true,
    onReadEntry: (entry) => {
      try {
        collect(entry, files, budget);
      } catch (error) {
        fail(error);
        entry.resume();
      }
    },
  });
  const ended = new Promise<void>((resolve) => {
    parser.on("end", resolve);
    parser.on("error", (error: unknown) => {
      fail(error);
      resolve();
    });
  });
  try {
    // Unpacked here and not by the parser, so that a small archive cannot grow without bound.
    for await (const chunk of Readable.from([archive]).pipe(createGunzip()) as AsyncIterable<Buffer>) {
      budget.add(chunk.length);
      parser.write(chunk);
      if (failure !== undefined) break;
    }
    if (failure === undefined) {
      parser.end();
      await ended;
    }
  } catch (error) {
    fail(error);
  }
  if (failure instanceof UserError) throw failure;
  if (failure !== undefined) {
    const reason = failure instanceof Error ? failure.message : "unknown reason";
    throw new UserError(
      "chart",
      `chart "${where}" is not a valid .tgz archive: ${reason}`,
      "fetch or package the chart again",
    );
  }
  return files;
}

/** Takes a regular file out of the archive; everything else, and names that point outside, are passed over. */
function collect(entry: ReadEntry, files: ChartFiles, budget: ChartBudget): void {
  const steps = entry.path.replaceAll("\\", "/").split("/");
  const name = steps.slice(1).filter(Boolean).join("/");
  const isFile = ["File", "OldFile", "ContiguousFile"].includes(entry.type);
  if (!isFile || name === "" || steps.includes("..") || steps[0] === "") {
    entry.resume();
    return;
  }
  budget.addFile(name, entry.size);
  const chunks: Buffer[] = [];
  entry.on("data", (chunk: Buffer) => chunks.push(Buffer.from(chunk)));
  entry.on("end", () => files.set(name, Buffer.concat(chunks)));
}
