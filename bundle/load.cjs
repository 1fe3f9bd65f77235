// What runs are bundles of the TypeScript sources, one file for each entry: to translate some 200 files at every start
// took longer than all the rest of a preview. The sources stay what one edits: a bundle is made anew when one changed.
"use strict";
const { createHash } = require("node:crypto");
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const entries = require("./entries.json");

const ROOT = path.resolve(__dirname, "..");
/** Which state of the sources the bundles were made of. */
const MADE_OF = path.join(ROOT, "dist", "made-of.txt");

/** Folders with sources, and files whose change makes other bundles of the same sources. */
const FOLDERS = [...new Set(Object.values(entries).map((file) => file.split("/")[0]))]
  .filter((name) => !name.endsWith(".ts"))
  .concat("config", "crds", "helm", "history", "kubernetes", "review", "shared", "upgrade", "bundle");
const FILES = ["index.ts", "package-lock.json", "tsconfig.json"];

/** Where the bundle of an entry is. That of the policies is in their folder, which is published alone. */
function bundleOf(name) {
  return name === "policies" ? path.join(ROOT, "policies/dist/index.cjs") : path.join(ROOT, "dist", `${name}.cjs`);
}

/** The state of the sources, by the dates and sizes of files: to read them all takes as long as the rest of a start. */
function stateOfSources() {
  const state = createHash("sha256").update(process.version);
  const add = (file) => {
    const { mtimeMs, size } = fs.statSync(path.join(ROOT, file));
    state.update(`${file} ${mtimeMs} ${size}\n`);
  };
  const walk = (folder) => {
    for (const entry of fs.readdirSync(path.join(ROOT, folder), { withFileTypes: true })) {
      const name = `${folder}/${entry.name}`;
      if (entry.isDirectory()) {
        if (entry.name !== "node_modules" && entry.name !== "dist") walk(name);
      } else if (/[.](ts|cjs|json)$/.test(entry.name)) add(name);
    }
  };
  for (const folder of FOLDERS) walk(folder);
  for (const file of FILES) add(file);
  return state.digest("hex");
}

/** Makes the bundles if they are missing or older than a source. A package without sources has them as they are. */
function ensureBundles() {
  if (!fs.existsSync(path.join(ROOT, "index.ts"))) return;
  const state = stateOfSources();
  try {
    if (fs.readFileSync(MADE_OF, "utf8") === state) return;
  } catch {
    // Not made yet.
  }
  // In a process of its own, so that the bundler is not part of what runs; stdout is the output of a program.
  const args = [path.join(__dirname, "build.cjs"), state];
  const built = spawnSync(process.execPath, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  if (built.status === 0) return;
  throw new Error(
    `the program cannot be bundled: ${(built.stderr || String(built.error ?? "")).trim()}\nFix: npm ci, and put right the source that the message names`,
  );
}

/** Runs the bundle of an entry and returns what it exports. */
function load(name) {
  ensureBundles();
  return require(bundleOf(name));
}

module.exports = { MADE_OF, ROOT, bundleOf, ensureBundles, load };
