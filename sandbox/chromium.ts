import * as fs from "node:fs";
import * as path from "node:path";
import execa from "execa";

import type { Progress } from "./progress";

/** Debian's smallest package with the browser: 96 MB to fetch, a third less than `chromium`; it has no window. */
const PACKAGE = "chromium-headless-shell";
const PROGRAMS = [PACKAGE, "chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];

/** The browser that the report page is tested in; undefined where there is none. */
export function findChromium(): string | undefined {
  const dirs = (process.env.PATH ?? "").split(path.delimiter).filter((dir) => path.isAbsolute(dir));
  return PROGRAMS.flatMap((name) => dirs.map((dir) => path.join(dir, name))).find((file) => fs.existsSync(file));
}

/** Whether the set-up can install it here, so that it is a mistake when it is missing. */
export function canInstallChromium(): boolean {
  const system = "/etc/os-release";
  const isDebian = fs.existsSync(system) && /^ID=debian$/m.test(fs.readFileSync(system, "utf8"));
  return isDebian && process.getuid?.() === 0;
}

/** Installs Debian's headless Chromium where this process is root there. Only one test file needs it. */
export async function ensureChromium(progress: Progress): Promise<void> {
  if (findChromium() === undefined && canInstallChromium()) {
    await progress.step(`install Debian package ${PACKAGE} (about 96 MB)`, install);
  }
  const found = findChromium();
  const advice = `not found, the report page is not tested in a browser; on Debian: apt-get install -y ${PACKAGE}`;
  progress.line(`Chromium: ${found ?? advice}`);
}

async function install(): Promise<void> {
  const options = { env: { DEBIAN_FRONTEND: "noninteractive" }, timeout: 600_000 } as const;
  const add = () => execa("apt-get", ["install", "-y", "--no-install-recommends", PACKAGE], options);
  // The lists of packages may be missing, or older than what the servers still have.
  await add().catch(async () => {
    await execa("apt-get", ["update"], options);
    await add();
  });
}
