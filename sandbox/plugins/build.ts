import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { build } from "esbuild";
import { z } from "zod";
import { CHECKOUT, STATE_DIR } from "../paths";

const outputDirectory = path.join(STATE_DIR, "plugins");

/** The embedded plugins: name of the bundle to its entry, relative to this folder. */
const plugins: Record<string, string> = {
  "pulumi-language-nodejs": "nodejs/main.ts",
  "pulumi-resource-kubernetes": "kubernetes/main.ts",
  "pulumi-resource-command": "command/main.ts",
};

const stampSchema = z.object({ lockFile: z.string(), sources: z.record(z.string(), z.string()) });

/** What a bundle was built from: enough to tell whether it must be built again. */
type Stamp = z.infer<typeof stampSchema>;

/**
 * Bundles each embedded plugin into one plain JavaScript file under `.sandbox/plugins/` unless that is up to date.
 *
 * A plugin is started at least once in every preview and update; loading it from one file takes a tenth of the time of
 * compiling and resolving hundreds of modules. Safe to call from several processes at once. Returns the names built.
 */
export async function ensurePluginsBuilt(names: string[] = Object.keys(plugins)): Promise<string[]> {
  const lockFile = digest(path.join(CHECKOUT, "package-lock.json"));
  const stale = names.filter((name) => !isCurrent(name, lockFile));
  await Promise.all(stale.map((name) => bundle(name, lockFile)));
  return stale;
}

async function bundle(name: string, lockFile: string): Promise<void> {
  const entry = plugins[name];
  if (entry === undefined) throw new Error(`there is no embedded plugin ${name}`);
  const result = await build({
    entryPoints: [path.join(__dirname, entry)],
    absWorkingDir: CHECKOUT,
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node20",
    write: false,
    metafile: true,
    legalComments: "none",
    logLevel: "error",
  });
  const code = result.outputFiles[0];
  if (code === undefined) throw new Error(`bundling ${entry} gave no output`);
  const own = Object.keys(result.metafile.inputs).filter((file) => !file.includes("node_modules/"));
  const stamp: Stamp = {
    lockFile,
    sources: Object.fromEntries(own.map((file) => [file, digest(path.join(CHECKOUT, file))])),
  };
  fs.mkdirSync(outputDirectory, { recursive: true });
  replaceFile(path.join(outputDirectory, `${name}.js`), code.contents);
  replaceFile(path.join(outputDirectory, `${name}.json`), JSON.stringify(stamp));
}

function isCurrent(name: string, lockFile: string): boolean {
  if (!fs.existsSync(path.join(outputDirectory, `${name}.js`))) return false;
  const stamp = readStamp(path.join(outputDirectory, `${name}.json`));
  return (
    stamp?.lockFile === lockFile &&
    Object.entries(stamp.sources).every(([file, hash]) => digest(path.join(CHECKOUT, file)) === hash)
  );
}

function readStamp(file: string): Stamp | undefined {
  try {
    return stampSchema.safeParse(JSON.parse(fs.readFileSync(file, "utf8"))).data;
  } catch {
    return undefined;
  }
}

/** Hash of a file's content; empty when there is no such file. */
function digest(file: string): string {
  try {
    return createHash("sha256").update(fs.readFileSync(file)).digest("hex");
  } catch {
    return "";
  }
}

/** Another process may be starting the old file right now, so it is replaced in one step. */
function replaceFile(file: string, content: string | Uint8Array): void {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, content);
  fs.renameSync(temporary, file);
}

if (require.main === module) {
  const names = process.argv.slice(2);
  ensurePluginsBuilt(names.length > 0 ? names : undefined).catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}
