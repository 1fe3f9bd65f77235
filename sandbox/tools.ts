import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import execa from "execa";

import { BIN_DIR } from "./paths";
import { Progress } from "./progress";
import { buildTool } from "./tools/build";
import { cacheEntry, cached, store } from "./tools/cache";
import { parseVersion, pinnedVersion, TOOLS, type ToolName, type ToolSpec } from "./tools/catalog";
import { downloadFor, downloadTool } from "./tools/download";
import { withLock } from "./tools/lock";

export type { ToolName } from "./tools/catalog";

/** The programs the sandbox runs, each found, downloaded or built. */
export interface Tools {
  /** Folder with one symbolic link per tool, to be put first on PATH. */
  binDir: string;
  /** Absolute path of one tool. */
  path(name: ToolName): string;
  /** One line per tool: which file is used and what the look-up tried before. */
  report: string[];
}

/** How long a program found on PATH may take to say its version, in milliseconds. */
const VERSION_MS = 5_000;

interface Found {
  file: string;
  /** What was tried, in order, the last one being what is used. */
  steps: string[];
}

/** Looks for the tool on PATH, leaving out our own links. */
async function onPath(spec: ToolSpec): Promise<{ file: string; step: string } | { reason: string }> {
  if (spec.corrections ?? spec.ownSources) return { reason: "not taken from PATH" };
  const pinned = parseVersion(pinnedVersion(spec));
  let reason = "not on PATH";
  for (const dir of (process.env.PATH ?? "").split(path.delimiter)) {
    if (!path.isAbsolute(dir) || path.resolve(dir) === BIN_DIR) continue;
    const file = path.join(dir, spec.name);
    if (!fs.existsSync(file)) continue;
    try {
      const { stdout } = await execa(file, [...spec.versionArgs], { timeout: VERSION_MS });
      const found = parseVersion(stdout);
      if (found && pinned && spec.fits(found, pinned)) return { file, step: `${file} (v${found.join(".")})` };
      reason = `${file} is v${found?.join(".") ?? "?"}`;
    } catch {
      reason = `${file} does not tell its version`;
    }
  }
  return { reason };
}

async function fromCache(spec: ToolSpec, steps: string[]): Promise<Found | undefined> {
  const result = await cached(spec);
  if ("reason" in result) {
    steps.push(result.reason);
    return undefined;
  }
  return { file: result.file, steps: [...steps, `cached ${result.file}`] };
}

async function make(spec: ToolSpec, steps: string[], progress: Progress): Promise<Found> {
  const version = pinnedVersion(spec);
  const download = await downloadFor(spec);
  if ("reason" in download) {
    steps.push(download.reason);
  } else {
    try {
      const file = await progress.step(`download ${spec.name} ${version}`, () =>
        store(spec, (target) => downloadTool(download, target)),
      );
      return { file, steps: [...steps, `downloaded from ${download.url}`] };
    } catch (error) {
      steps.push(`download failed (${(error as Error).message})`);
    }
  }
  const file = await progress.step(`build ${spec.name} ${version} from Go modules`, () =>
    store(spec, (target) => buildTool(spec, target)),
  );
  return { file, steps: [...steps, `built ${file}`] };
}

async function link(name: ToolName, file: string): Promise<void> {
  await fs.promises.mkdir(BIN_DIR, { recursive: true });
  const target = path.join(BIN_DIR, name);
  if ((await fs.promises.readlink(target).catch(() => undefined)) === file) return;
  const scratch = `${target}.${process.pid}-${randomBytes(4).toString("hex")}`;
  await fs.promises.symlink(file, scratch);
  await fs.promises.rename(scratch, target);
}

/**
 * A tool for who can do without it: undefined when it is not built. The set-up of the sandbox builds it for who wants
 * it; a test is no place for a build of minutes.
 */
export async function toolIfBuilt(spec: ToolSpec): Promise<Tools | undefined> {
  return "reason" in (await cached(spec)) ? undefined : ensureTools(Progress.silent(), [spec]);
}

/**
 * Finds every tool of a list: on PATH in a fitting version, else in the cache, else by official download, else built
 * from pinned Go modules. Safe to run in several processes at once. Prints one line per tool.
 * @throws naming the tool and what is missing when none of the four ways works.
 */
export async function ensureTools(
  progress: Progress = new Progress(),
  specs: readonly ToolSpec[] = TOOLS,
): Promise<Tools> {
  const found = new Map<ToolName, Found>();
  const report: string[] = [];
  const settle = async (spec: ToolSpec, result: Found) => {
    await link(spec.name, result.file);
    found.set(spec.name, result);
    const line = `${spec.name} ${pinnedVersion(spec)}: ${result.steps.join(" -> ")}`;
    report.push(line);
    progress.line(line);
  };

  const missing: { spec: ToolSpec; steps: string[] }[] = [];
  const lookups = await Promise.all(
    specs.map(async (spec) => {
      const path = await onPath(spec);
      if ("file" in path) return { spec, steps: [], result: { file: path.file, steps: [path.step] } };
      const steps = [path.reason];
      return { spec, steps, result: await fromCache(spec, steps) };
    }),
  );
  for (const { spec, steps, result } of lookups) {
    if (result) await settle(spec, result);
    else missing.push({ spec, steps });
  }
  // One build after the other: each uses all processors already.
  for (const { spec, steps } of missing) {
    const wait = (holder: number) => progress.line(`${spec.name}: process ${holder} is making it, waiting`);
    const result = await withLock(
      `${cacheEntry(spec)}.lock`,
      wait,
      // Whoever held the lock before may have made it.
      async () => (await fromCache(spec, [...steps])) ?? (await make(spec, steps, progress)),
    );
    await settle(spec, result);
  }

  return {
    binDir: BIN_DIR,
    report,
    path: (name) => {
      const tool = found.get(name);
      if (!tool) throw new Error(`no such tool: ${name}`);
      return tool.file;
    },
  };
}
