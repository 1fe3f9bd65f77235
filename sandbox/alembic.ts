import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import execa from "execa";

import { toolCacheDir } from "./paths";
import type { Progress } from "./progress";
import { withLock } from "./tools/lock";

/** Exact versions with their hashes. */
const REQUIREMENTS = path.join(__dirname, "tools", "alembic", "requirements.txt");

/** The environment in the cache, one for each set of versions. */
function folder(): string {
  const digest = createHash("sha256").update(fs.readFileSync(REQUIREMENTS)).digest("hex").slice(0, 12);
  return path.join(toolCacheDir(), `alembic-${digest}`);
}

/** Folder with the program `alembic` and a Python that has it; undefined where the set-up could not make one. */
export function findAlembic(): string | undefined {
  const bin = path.join(folder(), "bin");
  return fs.existsSync(path.join(bin, "complete")) ? bin : undefined;
}

/**
 * Makes a Python environment with alembic and a driver for PostgreSQL, for pods that migrate as real services do. Only
 * some tests need it, so it may be missing.
 */
export async function ensureAlembic(progress: Progress): Promise<void> {
  const known = () => findAlembic() !== undefined;
  const make = async () => {
    if (known()) return;
    const dir = folder();
    // A half one of a killed process; the programs in it name its place, so that it cannot be made elsewhere.
    await fs.promises.rm(dir, { recursive: true, force: true });
    await execa("python3", ["-m", "venv", dir], { timeout: 120_000 });
    const install = [
      "-m",
      "pip",
      "install",
      "--quiet",
      "--require-hashes",
      "--only-binary",
      ":all:",
      "-r",
      REQUIREMENTS,
    ];
    await execa(path.join(dir, "bin", "python"), install, { timeout: 300_000 });
    await fs.promises.writeFile(path.join(dir, "bin", "complete"), "");
  };
  if (!known()) {
    await progress
      .step("install alembic", () => withLock(`${folder()}.lock`, () => undefined, make))
      .catch((error: unknown) => {
        progress.line(`alembic: not installed, its tests are left out (${String(error).split("\n")[0]})`);
      });
  }
  const bin = findAlembic();
  if (bin) progress.line(`alembic: ${bin}`);
}
