import * as fs from "node:fs";
import * as path from "node:path";
import * as z from "zod/mini";

const manifest = z.object({
  name: z.optional(z.string()),
  version: z.optional(z.string()),
  dependencies: z.optional(z.record(z.string(), z.string())),
  devDependencies: z.optional(z.record(z.string(), z.string())),
  pulumi: z.optional(
    z.object({
      resource: z.optional(z.boolean()),
      name: z.optional(z.string()),
      version: z.optional(z.string()),
      server: z.optional(z.string()),
    }),
  ),
});

export interface InstalledPackage {
  name: string;
  version: string;
}

/** A provider plugin that an installed npm package asks for. */
export interface RequiredPlugin {
  name: string;
  /** With a leading "v". */
  version: string;
  /** Where to download it from; empty for the engine's default. */
  server: string;
}

/** The provider plugins wanted by the npm packages installed for a program, by name. */
export function requiredPlugins(programDirectory: string): RequiredPlugin[] {
  return installedManifests(programDirectory)
    .flatMap(({ name, version, pulumi }) => {
      if (pulumi?.resource !== true || name === undefined) return [];
      const wanted = pulumi.version ?? version ?? "";
      return [
        {
          name: pulumi.name ?? name.replace(/^@pulumi\//, "").replace(/^@/, ""),
          version: wanted.startsWith("v") ? wanted : `v${wanted}`,
          server: pulumi.server ?? "",
        },
      ];
    })
    .sort((a, b) => a.name.localeCompare(b.name));
}

/** The npm packages a program uses: the ones its package.json names, or all that are installed. */
export function dependencies(programDirectory: string, transitive: boolean): InstalledPackage[] {
  const own = readManifest(path.join(programDirectory, "package.json"));
  const direct = { ...own?.dependencies, ...own?.devDependencies };
  return installedManifests(programDirectory).flatMap(({ name, version }) =>
    name !== undefined && version !== undefined && (transitive || name in direct) ? [{ name, version }] : [],
  );
}

function installedManifests(programDirectory: string): z.infer<typeof manifest>[] {
  const root = nearestModules(programDirectory);
  if (root === undefined) return [];
  return list(root)
    .flatMap((entry) =>
      entry.startsWith("@") ? list(path.join(root, entry)).map((sub) => `${entry}/${sub}`) : [entry],
    )
    .map((entry) => readManifest(path.join(root, entry, "package.json")))
    .filter((found) => found !== undefined);
}

function nearestModules(directory: string): string | undefined {
  const candidate = path.join(directory, "node_modules");
  if (fs.existsSync(candidate)) return candidate;
  const parent = path.dirname(directory);
  return parent === directory ? undefined : nearestModules(parent);
}

function list(directory: string): string[] {
  return fs.readdirSync(directory).filter((name) => !name.startsWith("."));
}

function readManifest(file: string): z.infer<typeof manifest> | undefined {
  // A package that cannot be read is npm's business, not ours; the program's own require will say what is wrong.
  try {
    return manifest.safeParse(JSON.parse(fs.readFileSync(file, "utf8"))).data;
  } catch {
    return undefined;
  }
}
