import * as os from "node:os";
import * as path from "node:path";

/** Root of this checkout. */
export const CHECKOUT = path.resolve(__dirname, "..");

/** Everything the sandbox writes into the checkout lives here; git-ignored, removed by `make clean`. */
export const STATE_DIR = path.join(CHECKOUT, ".sandbox");

/** One folder per embedded cluster. */
export const CLUSTERS_DIR = path.join(STATE_DIR, "clusters");

/** Symbolic links to the tools in use, meant to be put first on PATH. */
export const BIN_DIR = path.join(STATE_DIR, "bin");

/** Binaries shared by all checkouts of this user: `$XDG_CACHE_HOME` or `~/.cache`, then `casa-upgrade/tools`. */
export function toolCacheDir(env: NodeJS.ProcessEnv = process.env): string {
  // The XDG specification says that a relative path is to be ignored.
  const base = env.XDG_CACHE_HOME && path.isAbsolute(env.XDG_CACHE_HOME) ? env.XDG_CACHE_HOME : undefined;
  return path.join(base ?? path.join(os.homedir(), ".cache"), "casa-upgrade", "tools");
}
