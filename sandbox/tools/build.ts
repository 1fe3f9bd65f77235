import * as fs from "node:fs";
import * as path from "node:path";
import execa from "execa";
import { z } from "zod";

import { buildArguments, moduleDir, type ToolSpec } from "./catalog";

/** How much of a failed build's output goes into the error, in lines from the end. */
const ERROR_LINES = 20;

let goChecked: Promise<void> | undefined;

/**
 * Checks that Go can build the pinned modules. Asked inside a module folder, `go version` answers with the toolchain
 * that the module needs, or fails when Go is older and may not fetch a newer one.
 */
function checkGo(spec: ToolSpec): Promise<void> {
  goChecked ??= (async () => {
    try {
      await execa("go", ["version"], { cwd: moduleDir(spec) });
    } catch (error) {
      const { code, stderr } = error as execa.ExecaError & { code?: string };
      const what = code === "ENOENT" ? "there is no `go` on PATH" : String(stderr).trim();
      throw new Error(
        `${spec.name} is not on PATH in a fitting version, cannot be downloaded, and cannot be built: ${what}. ` +
          "Install Go 1.26 or newer (https://go.dev/doc/install) and run the command again.",
        { cause: error },
      );
    }
  })();
  return goChecked;
}

const ENV = { CGO_ENABLED: "0", GOFLAGS: "-mod=readonly", GOWORK: "off" };
/** The folder with a tool's source, which may hold more than its program, such as charts and CRDs. */
export async function moduleSource(spec: ToolSpec): Promise<string> {
  const { stdout } = await execa("go", ["mod", "download", "-json", spec.module], { cwd: moduleDir(spec), env: ENV });
  return DownloadedModule.parse(JSON.parse(stdout)).Dir;
}

const DownloadedModule = z.object({ Dir: z.string() });

/**
 * Makes a corrected copy of the module in `scratch`, and a go.mod that builds with it.
 * @returns the arguments for the build.
 * @throws when the module's source is not the one a correction was made for.
 */
async function correct(spec: ToolSpec, scratch: string): Promise<string[]> {
  if (!spec.corrections) return [];
  const copy = path.join(scratch, "module");
  await fs.promises.cp(await moduleSource(spec), copy, { recursive: true });
  // Files in Go's module cache, and so their copies, are read-only.
  await execa("chmod", ["-R", "u+w", copy]);
  for (const correction of spec.corrections) {
    const file = path.join(copy, correction.file);
    if ("add" in correction) {
      await fs.promises.copyFile(path.join(moduleDir(spec), correction.add), file);
      continue;
    }
    const text = await fs.promises.readFile(file, "utf8");
    if (!text.includes(correction.find)) throw new Error(`${file} has no "${correction.find}" to correct`);
    await fs.promises.writeFile(file, text.replaceAll(correction.find, correction.replace));
  }
  const modfile = path.join(scratch, "go.mod");
  await fs.promises.copyFile(path.join(moduleDir(spec), "go.mod"), modfile);
  await fs.promises.copyFile(path.join(moduleDir(spec), "go.sum"), path.join(scratch, "go.sum"));
  await execa("go", ["mod", "edit", `-replace=${spec.module}=${copy}`, modfile], { env: ENV });
  return ["-modfile", modfile];
}

/**
 * Builds one tool from its pinned modules to `target`.
 * @throws with the end of the compiler's output.
 */
export async function buildTool(spec: ToolSpec, target: string): Promise<void> {
  await checkGo(spec);
  const scratch = `${target}.source`;
  try {
    const args = [...buildArguments(spec), ...(await correct(spec, scratch)), "-o", target, spec.package];
    await execa("go", args, { cwd: moduleDir(spec), env: ENV, all: true });
  } catch (error) {
    const output = String((error as execa.ExecaError).all ?? (error as Error).message).trim();
    throw new Error(`building ${spec.name} failed:\n${output.split("\n").slice(-ERROR_LINES).join("\n")}`, {
      cause: error,
    });
  } finally {
    await fs.promises.rm(scratch, { recursive: true, force: true });
  }
}
