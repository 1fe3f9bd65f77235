import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

/** How assets and archives are marked on the wire; fixed by the engine (sdk/v3 go/common/resource). */
const SIGNATURE_KEY = "4dabf18193072939515e22adb298388d";
const ASSET_SIGNATURE = "c44067f5952c0a294b673a41bacd8c17";
const ARCHIVE_SIGNATURE = "0def7320c3a5731c473e5ecbe6d01bc7";

/** The files in `directory` that the patterns choose, as file assets by path relative to it. */
export function collectAssets(directory: string, patterns: string[]): Record<string, unknown> {
  return Object.fromEntries(
    chooseFiles(listFiles(directory), patterns).map((file) => {
      const full = path.posix.join(directory, file);
      const hash = createHash("sha256").update(fs.readFileSync(full)).digest("hex");
      return [file, { [SIGNATURE_KEY]: ASSET_SIGNATURE, path: full, hash }];
    }),
  );
}

/** The same files as one archive. */
export function collectArchive(directory: string, patterns: string[]): unknown {
  return { [SIGNATURE_KEY]: ARCHIVE_SIGNATURE, assets: collectAssets(directory, patterns) };
}

/** Applies the patterns in their order; one that begins with `!` takes files out again. */
function chooseFiles(files: string[], patterns: string[]): string[] {
  const rules = patterns.map((pattern) => ({
    exclude: pattern.startsWith("!"),
    matches: globToRegExp(pattern.replace(/^!/, "")),
  }));
  return files.filter((file) => {
    const last = rules.findLast(({ matches }) => matches.test(file));
    return last !== undefined && !last.exclude;
  });
}

function listFiles(directory: string): string[] {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(directory, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"))
    .sort();
}

/**
 * The provider's pattern language: `*` is anything but `/`, `**` anything at all, `?` one character, `[ab]` and `[!ab]`
 * one of a set, `{a,b}` alternatives, a backslash takes the next character as it is.
 */
function globToRegExp(glob: string): RegExp {
  let source = "";
  let depth = 0;
  for (const [token] of glob.matchAll(/\*\*|\*|\?|\[!?[^\]]*\]|\\.|[{},]|[^]/g)) {
    if (token === "**") source += ".*";
    else if (token === "*") source += "[^/]*";
    else if (token === "?") source += "[^/]";
    else if (token.startsWith("[") && token.length > 1) source += token.replace(/^\[!/, "[^");
    else if (token === "{") source += (depth++, "(?:");
    else if (token === "}" && depth > 0) source += (depth--, ")");
    else if (token === "," && depth > 0) source += "|";
    else source += (token.startsWith("\\") ? (token[1] ?? "") : token).replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
  }
  return new RegExp(`^${source}$`, "s");
}
