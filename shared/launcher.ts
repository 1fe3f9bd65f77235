import { realpathSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { shellWord } from "./shell-word";

/** The folder of this package, seen from its sources and from its bundles alike. */
const PACKAGE = resolve(__dirname, "..");
const NAME = "casa-upgrade";
const FILE = join("bundle", "program.cjs");

/** Where the pieces are; the default is this process's own view. */
export interface Places {
  /** Working directory of the program, which is that of its commands. */
  readonly cwd: string;
  /** Folder of this package, without symbolic links. */
  readonly root: string;
  /** The folder in which the engine keeps plugins, without symbolic links. */
  readonly plugins?: string;
}

/**
 * The file that starts a helper program, as a word of a command line. It is found from the package, wherever that is,
 * and written in a form that is the same on every machine, because the line is recorded in the stack's state:
 *
 * 1. in `node_modules` of the program, or of a folder above it, by that path: whether npm or pnpm put it there, or a
 *    link to a checkout;
 * 2. in the engine's own plugin folder, by `$PULUMI_HOME`;
 * 3. anywhere else, this project's checkout for one, relative to the working directory.
 */
export function launcher(places?: Places): string {
  // A plan asks once for each workload.
  return places ? launcherAt(places) : (own ??= launcherAt(here()));
}

let own: string | undefined;

function launcherAt({ cwd, root, plugins }: Places): string {
  const installed = folders(cwd)
    .map((folder) => join(folder, "node_modules", NAME))
    .find((folder) => realPath(folder) === root);
  if (installed !== undefined) return shellWord(join(relative(cwd, installed), FILE));
  if (plugins !== undefined && root.startsWith(plugins + sep)) {
    const below = shellWord(join("plugins", relative(plugins, root), FILE));
    return `"\${PULUMI_HOME:-$HOME/.pulumi}"/${below}`;
  }
  return shellWord(join(relative(cwd, root), FILE));
}

function here(): Places {
  const { PULUMI_HOME, HOME = "" } = process.env;
  const plugins = realPath(join(PULUMI_HOME ?? join(HOME, ".pulumi"), "plugins"));
  return { cwd: process.cwd(), root: realPath(PACKAGE) ?? PACKAGE, plugins };
}

/** A folder and all above it. */
function folders(from: string): string[] {
  const above = dirname(from);
  return above === from ? [from] : [from, ...folders(above)];
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined; // there is nothing
  }
}
