import { createHash, randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { pipeline } from "node:stream/promises";

import { toolCacheDir } from "../paths";
import { buildArguments, currentPlatform, moduleDir, pinnedVersion, type ToolSpec } from "./catalog";

/** What identifies a binary in the cache: the locked dependencies, the build flags and the platform. */
function cacheKey(spec: ToolSpec): string {
  const hash = createHash("sha256");
  for (const file of ["go.mod", "go.sum"]) hash.update(fs.readFileSync(path.join(moduleDir(spec), file)));
  for (const file of spec.ownSources ?? []) hash.update(fs.readFileSync(path.join(moduleDir(spec), file)));
  for (const correction of spec.corrections ?? []) {
    if ("add" in correction) hash.update(fs.readFileSync(path.join(moduleDir(spec), correction.add)));
  }
  hash.update(JSON.stringify([spec.package, buildArguments(spec), currentPlatform(), spec.corrections ?? []]));
  return hash.digest("hex").slice(0, 12);
}

/** Folder of one cached tool. */
export function cacheEntry(spec: ToolSpec): string {
  return path.join(toolCacheDir(), `${spec.name}-${pinnedVersion(spec)}-${cacheKey(spec)}`);
}

/** SHA-256 of a file, in hex. */
export async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(fs.createReadStream(file, { highWaterMark: 1 << 20 }), hash);
  return hash.digest("hex");
}

/**
 * The cached binary when it is there and still has the digest recorded when it was put there.
 * @returns its path, or why it cannot be used.
 */
export async function cached(spec: ToolSpec): Promise<{ file: string } | { reason: string }> {
  const file = path.join(cacheEntry(spec), spec.name);
  if (!fs.existsSync(file)) return { reason: "not in the cache" };
  const recorded = await fs.promises.readFile(`${file}.sha256`, "utf8").catch(() => "");
  if (recorded.trim() !== (await sha256(file)))
    return { reason: "the cached file does not have its recorded checksum" };
  return { file };
}

/**
 * Lets `produce` write the binary to a path in a scratch folder, then moves the finished entry to its place in one
 * step, so that another process sees either nothing or a whole entry. Only who holds the entry's lock may call it.
 * @returns the path of the binary in the cache.
 */
export async function store(spec: ToolSpec, produce: (file: string) => Promise<void>): Promise<string> {
  const entry = cacheEntry(spec);
  await removeUnfinished(entry);
  const scratch = `${entry}.tmp-${process.pid}-${randomBytes(4).toString("hex")}`;
  await fs.promises.mkdir(scratch, { recursive: true });
  try {
    const file = path.join(scratch, spec.name);
    await produce(file);
    await fs.promises.chmod(file, 0o755);
    await fs.promises.writeFile(`${file}.sha256`, `${await sha256(file)}\n`);
    // A rename cannot replace a folder that is not empty: a damaged entry steps aside first.
    await fs.promises.rm(entry, { recursive: true, force: true });
    await fs.promises.rename(scratch, entry);
  } finally {
    await fs.promises.rm(scratch, { recursive: true, force: true });
  }
  return path.join(entry, spec.name);
}

/** A build that was killed leaves its scratch folder, of up to some hundred megabytes. */
async function removeUnfinished(entry: string): Promise<void> {
  const folder = path.dirname(entry);
  const names = await fs.promises.readdir(folder).catch(() => []);
  const left = names.filter((name) => name.startsWith(`${path.basename(entry)}.tmp-`));
  await Promise.all(left.map((name) => fs.promises.rm(path.join(folder, name), { recursive: true, force: true })));
}
