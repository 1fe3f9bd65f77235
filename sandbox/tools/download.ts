import * as fs from "node:fs";
import * as path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { ReadableStream } from "node:stream/web";
import execa from "execa";

import { sha256 } from "./cache";
import { currentPlatform, pinnedVersion, TOOLS, type Download, type ToolSpec } from "./catalog";

/** How long a release host may take to answer at all before it counts as unreachable, in milliseconds. */
const REACH_MS = 3_000;
/** Longest time one download may take, in milliseconds. */
const DOWNLOAD_MS = 300_000;

let probe: Promise<ReadonlyMap<string, boolean>> | undefined;

async function answers(origin: string): Promise<boolean> {
  try {
    // Any answer will do, a redirect or an error status too: the question is whether there is a way.
    await fetch(origin, { method: "HEAD", redirect: "manual", signal: AbortSignal.timeout(REACH_MS) });
    return true;
  } catch {
    return false;
  }
}

/**
 * Asks every release host once per process, all at the same time, so that a machine without a way out loses 3 s at
 * most.
 */
function reachableOrigins(): Promise<ReadonlyMap<string, boolean>> {
  probe ??= (async () => {
    const platform = currentPlatform();
    const urls = TOOLS.flatMap((spec) => spec.download?.(pinnedVersion(spec), platform).url ?? []);
    const origins = [...new Set(urls.map((url) => new URL(url).origin))];
    return new Map(await Promise.all(origins.map(async (origin) => [origin, await answers(origin)] as const)));
  })();
  return probe;
}

/** Where the tool can be downloaded, or why it cannot. */
export async function downloadFor(spec: ToolSpec): Promise<Download | { reason: string }> {
  if (spec.corrections) return { reason: "needs corrections" };
  if (process.env.CASA_UPGRADE_OFFLINE === "1") return { reason: "downloads are off (CASA_UPGRADE_OFFLINE=1)" };
  const download = spec.download?.(pinnedVersion(spec), currentPlatform());
  if (!download) return { reason: "no release with a checksum" };
  const origin = new URL(download.url).origin;
  return (await reachableOrigins()).get(origin) ? download : { reason: `${new URL(origin).host} not reachable` };
}

/** The SHA-256 of `fileName` in a checksum file: a bare digest, or the line that names the file. */
export function digestOf(checksums: string, fileName: string): string | undefined {
  for (const line of checksums.split("\n")) {
    const match = /^([0-9a-f]{64})(?:\s+\*?(\S+))?\s*$/i.exec(line.trim());
    if (match?.[1] && (match[2] === undefined || path.posix.basename(match[2]) === fileName))
      return match[1].toLowerCase();
  }
  return undefined;
}

/**
 * Downloads one tool to `target` and checks it against the published SHA-256.
 * @throws when the server refuses, the checksum is missing or differs, or the archive lacks the binary.
 */
export async function downloadTool(download: Download, target: string): Promise<void> {
  const signal = AbortSignal.timeout(DOWNLOAD_MS);
  const get = async (url: string) => {
    const response = await fetch(url, { signal });
    if (!response.ok || !response.body) throw new Error(`${url} answered ${response.status}`);
    return response;
  };
  const fileName = path.posix.basename(new URL(download.url).pathname);
  const expected = digestOf(await (await get(download.checksumUrl)).text(), fileName);
  if (!expected) throw new Error(`${download.checksumUrl} has no SHA-256 for ${fileName}`);

  const file = download.member ? `${target}.tar.gz` : target;
  const body = (await get(download.url)).body as ReadableStream<Uint8Array>;
  await pipeline(Readable.fromWeb(body), fs.createWriteStream(file));
  const found = await sha256(file);
  if (found !== expected) throw new Error(`${download.url} has SHA-256 ${found}, but ${expected} was published`);
  if (!download.member) return;

  const unpacked = `${target}.unpacked`;
  await fs.promises.mkdir(unpacked);
  await execa("tar", ["-xzf", file, "-C", unpacked, download.member]);
  await fs.promises.rename(path.join(unpacked, download.member), target);
  await fs.promises.rm(unpacked, { recursive: true });
  await fs.promises.rm(file);
}
