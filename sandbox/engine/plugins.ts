import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { CHECKOUT } from "../paths";

/** Which kubernetes, command and Node language plugins the engine uses. */
export type PluginMode = "embedded" | "official";

/** The choice, and the reason for it in a few words. */
export interface PluginChoice {
  mode: PluginMode;
  reason: string;
}

/** The switch: `embedded`, `official`, or `auto` (default): official ones when all of them are on this machine. */
export const PLUGIN_SWITCH = "CASA_UPGRADE_PLUGINS";

/**
 * Chooses the plugins. `pulumi` is the CLI in use: its release has the language host next to it.
 * Throws when the switch has another value.
 */
export function choosePlugins(env: NodeJS.ProcessEnv, pulumi: string): PluginChoice {
  const wanted = env[PLUGIN_SWITCH] ?? "auto";
  if (wanted === "embedded" || wanted === "official") return { mode: wanted, reason: `${PLUGIN_SWITCH}=${wanted}` };
  if (wanted !== "auto") {
    throw new Error(`${PLUGIN_SWITCH} is "${wanted}"; it can be embedded, official or auto`);
  }
  const missing = missingOfficialPlugins(env, pulumi);
  return missing.length === 0
    ? { mode: "official", reason: "all of them are installed" }
    : { mode: "embedded", reason: `not installed here: ${missing.join(", ")}` };
}

/** The plugin folder of the user's own Pulumi installation. */
export function userPluginDirectory(env: NodeJS.ProcessEnv): string {
  return path.join(env.PULUMI_HOME ?? path.join(os.homedir(), ".pulumi"), "plugins");
}

/**
 * Puts the embedded providers where the engine keeps installed plugins: it looks nowhere else when it works on a
 * package (`pulumi package add`), and would download them.
 */
export function installEmbeddedProviders(pulumiHome: string): void {
  for (const name of ["kubernetes", "command"]) {
    const folder = path.join(pulumiHome, "plugins", `resource-${name}-v${sdkVersion(name)}`);
    fs.mkdirSync(folder, { recursive: true });
    const program = path.join(CHECKOUT, "sandbox/plugins/bin", `pulumi-resource-${name}`);
    const text = `#!/bin/sh\nexec '${program}' "$@"\n`;
    fs.writeFileSync(path.join(folder, `pulumi-resource-${name}`), text, { mode: 0o755 });
  }
}

function missingOfficialPlugins(env: NodeJS.ProcessEnv, pulumi: string): string[] {
  const onPath = [...(env.PATH ?? "").split(path.delimiter), path.dirname(realPath(pulumi))];
  const installed = userPluginDirectory(env);
  const found = (executable: string, folder?: string) =>
    onPath.some((directory) => fs.existsSync(path.join(directory, executable))) ||
    (folder !== undefined && fs.existsSync(path.join(installed, folder)));
  return [
    ...(found("pulumi-language-nodejs") ? [] : ["pulumi-language-nodejs"]),
    ...["kubernetes", "command"]
      .filter((name) => !found(`pulumi-resource-${name}`, `resource-${name}-v${sdkVersion(name)}`))
      .map((name) => `pulumi-resource-${name} ${sdkVersion(name)}`),
  ];
}

/** The SDK asks for the plugin of its own version. */
function sdkVersion(name: string): string {
  const manifest: unknown = JSON.parse(
    fs.readFileSync(path.join(CHECKOUT, "node_modules/@pulumi", name, "package.json"), "utf8"),
  );
  return typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "";
}

function realPath(file: string): string {
  try {
    return fs.realpathSync(file);
  } catch {
    return file;
  }
}
