import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Engine } from "../../sandbox/engine";
import { mustSucceed, type World } from "../integration/world/world";

/** A Pulumi program that declares nothing, on the same engine: what no program can be faster than. */
export async function emptyProgram(world: World): Promise<() => Promise<unknown>> {
  const projectDir = join(world.scratch, "empty");
  mkdirSync(projectDir);
  writeFileSync(
    join(projectDir, "Pulumi.yaml"),
    "name: empty\nruntime: {name: nodejs, options: {typescript: false}}\n",
  );
  writeFileSync(join(projectDir, "package.json"), '{ "name": "empty", "main": "index.js" }');
  writeFileSync(join(projectDir, "index.js"), "module.exports = {};\n");
  const engine = new Engine({ tools: world.tools, dir: join(world.scratch, "empty-engine"), projectDir });
  await engine.stackInit("empty");
  return async () => {
    const { exitCode, all } = await engine.preview("empty");
    mustSucceed({ ok: exitCode === 0, text: all });
  };
}
