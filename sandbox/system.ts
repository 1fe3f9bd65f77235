import * as fs from "node:fs";
import * as path from "node:path";
import execa from "execa";

import { ensurePythonTools } from "./python-tools";
import { ensureChromium } from "./chromium";
import { ensurePgBouncer } from "./pgbouncer";
import { Progress } from "./progress";

/** Programs of PostgreSQL that the sandbox runs itself or offers to `kubectl exec`. */
const POSTGRES_PROGRAMS = ["initdb", "postgres", "psql", "pg_dump", "pg_restore"] as const;

/** Where Debian keeps each major version; the server's programs are not on PATH there. */
const DEBIAN_ROOT = "/usr/lib/postgresql";

/** Tells Debian's package not to create and start a server of its own when it is installed for the sandbox. */
const DEBIAN_DROP_IN = "/etc/postgresql-common/createcluster.d/casa-upgrade.conf";

const INSTALL_LINE = "apt-get update && apt-get install -y postgresql";

/** A program of the operating system is missing and could not be installed. */
export class MissingSystemPackage extends Error {
  override name = "MissingSystemPackage";
}

/** Folder with PostgreSQL's server and client programs: on PATH, else the newest under /usr/lib/postgresql. */
export function findPostgresBin(): string | undefined {
  const debian = fs.existsSync(DEBIAN_ROOT)
    ? fs
        .readdirSync(DEBIAN_ROOT)
        .sort((a, b) => Number(b) - Number(a))
        .map((version) => path.join(DEBIAN_ROOT, version, "bin"))
    : [];
  const onPath = (process.env.PATH ?? "").split(path.delimiter).filter((dir) => path.isAbsolute(dir));
  return [...onPath, ...debian].find((dir) =>
    POSTGRES_PROGRAMS.every((program) => fs.existsSync(path.join(dir, program))),
  );
}

function missing(why: string): MissingSystemPackage {
  return new MissingSystemPackage(
    `The sandbox needs PostgreSQL's server programs (${POSTGRES_PROGRAMS.join(", ")}); ${why}. ` +
      `Install them with:\n  sudo sh -c '${INSTALL_LINE}'   # Debian, Ubuntu\n` +
      "  sudo dnf install -y postgresql-server             # Fedora, RHEL\n" +
      "  brew install postgresql@17                        # macOS; put its bin folder on PATH",
  );
}

async function aptInstall(): Promise<void> {
  await fs.promises.mkdir(path.dirname(DEBIAN_DROP_IN), { recursive: true });
  await fs.promises.writeFile(
    DEBIAN_DROP_IN,
    "# Written by casa-upgrade before it installed PostgreSQL: its sandbox runs servers of its own.\ncreate_main_cluster = false\n",
  );
  const options = { env: { DEBIAN_FRONTEND: "noninteractive" }, all: true } as const;
  await execa("apt-get", ["update"], options);
  await execa("apt-get", ["install", "-y", "--no-install-recommends", "postgresql"], options);
}

/**
 * Makes sure that what the sandbox needs from the operating system is there; installs it where this process is root on
 * a Debian-like system.
 * @throws MissingSystemPackage with the exact install line.
 */
export async function ensureSystemPackages(progress: Progress = new Progress()): Promise<void> {
  await ensurePostgres(progress);
  await ensurePgBouncer(progress);
  await ensurePythonTools(progress);
  await ensureChromium(progress);
}

async function ensurePostgres(progress: Progress): Promise<void> {
  const present = findPostgresBin();
  if (present) {
    progress.line(`PostgreSQL: ${present}`);
    return;
  }
  if (process.getuid?.() !== 0) throw missing("they were not found");
  if (!fs.existsSync("/usr/bin/apt-get")) throw missing("they were not found, and this system has no apt-get");
  try {
    await progress.step("install Debian package postgresql", aptInstall);
  } catch (error) {
    const output = String((error as execa.ExecaError).all ?? (error as Error).message).trim();
    throw missing(`installing them failed (${output.split("\n").slice(-3).join(" / ")})`);
  }
  const installed = findPostgresBin();
  if (!installed) throw missing("they were installed but not found");
  progress.line(`PostgreSQL: ${installed}`);
}
