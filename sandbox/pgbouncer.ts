import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import execa from "execa";

import { toolCacheDir } from "./paths";
import type { Progress } from "./progress";

/** Where Debian's package is unpacked; installed it would start a pooler of its own. */
const folder = () => path.join(toolCacheDir(), "pgbouncer-debian");
const PROGRAM = "usr/sbin/pgbouncer";

/** How to start pgbouncer; undefined where there is none. */
export interface PgBouncer {
  program: string;
  /** Folders with its libraries; empty: the system's. */
  libraries: string[];
}

/**
 * The pooler that some tests put before a server: the one of the set-up, else an installed one.
 *
 * @param copyTo folder that an account without rights can enter; the cache is in a home.
 */
export function findPgBouncer(copyTo: string): PgBouncer | undefined {
  if (fs.existsSync(path.join(folder(), PROGRAM))) {
    const to = path.join(copyTo, "pgbouncer");
    fs.cpSync(folder(), to, { recursive: true, verbatimSymlinks: true });
    const lib = path.join(to, "usr/lib");
    const libraries = [lib, ...fs.readdirSync(lib).map((name) => path.join(lib, name))];
    return { program: path.join(to, PROGRAM), libraries };
  }
  const installed = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
  const program = installed.find((file) => fs.existsSync(file));
  return program === undefined ? undefined : { program, libraries: [] };
}

/** Fetches Debian's pgbouncer and its libraries where apt is. Only some tests need it, so it may be missing. */
export async function ensurePgBouncer(progress: Progress): Promise<void> {
  const known = fs.existsSync(path.join(folder(), PROGRAM));
  if (!known && fs.existsSync("/usr/bin/apt-get")) {
    await progress.step("fetch Debian package pgbouncer", unpack).catch((error: unknown) => {
      progress.line(`pgbouncer: not fetched, its tests are left out (${String(error).split("\n")[0]})`);
    });
  }
  if (fs.existsSync(path.join(folder(), PROGRAM))) progress.line(`pgbouncer: ${folder()}`);
}

async function unpack(): Promise<void> {
  const temporary = await fs.promises.mkdtemp(path.join(os.tmpdir(), "casa-upgrade-pgbouncer-"));
  try {
    const options = { cwd: temporary, timeout: 120_000 };
    const names = async () => {
      const { stdout } = await execa("apt-cache", ["depends", "pgbouncer"], options);
      const libraries = [...stdout.matchAll(/Depends: (lib(?:event|c-ares|cares)\S*)/g)].map(([, name = ""]) => name);
      await execa("apt-get", ["download", "pgbouncer", ...libraries], options);
    };
    // A fresh machine has no lists of packages yet.
    await names().catch(async (error: unknown) => {
      if (process.getuid?.() !== 0) throw error;
      await execa("apt-get", ["update"], { timeout: 120_000 });
      await names();
    });
    const root = path.join(temporary, "root");
    for (const file of fs.readdirSync(temporary).filter((name) => name.endsWith(".deb"))) {
      await execa("dpkg", ["-x", path.join(temporary, file), root]);
    }
    await fs.promises.rm(path.join(root, "usr/share"), { recursive: true, force: true });
    await fs.promises.mkdir(path.dirname(folder()), { recursive: true });
    await fs.promises.cp(root, folder(), { recursive: true, verbatimSymlinks: true });
  } finally {
    await fs.promises.rm(temporary, { recursive: true, force: true });
  }
}
