// What runs are bundles of the TypeScript sources, one file for each entry: to translate some 200 files at every start
// took longer than all the rest of a preview. The sources stay what one edits: a bundle is made anew when one changed.
"use strict";
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { run } = require("./cached-code.cjs");

const ROOT = path.resolve(__dirname, "..");
/** What the bundles were made of: the sources, with date and size of each. */
const MADE_OF = path.join(ROOT, "dist", "made-of.json");

/** Where the bundle of an entry is. That of the policies is in their folder, which is published alone. */
function bundleOf(name) {
  return name === "policies" ? path.join(ROOT, "policies/dist/index.cjs") : path.join(ROOT, "dist", `${name}.cjs`);
}

/** Date and size of a file: to read all sources would take as long as the rest of a start. */
function stateOf(file) {
  const { mtimeMs, size } = fs.statSync(path.join(ROOT, file));
  return `${mtimeMs} ${size}`;
}

function isUpToDate() {
  try {
    const { node, sources } = JSON.parse(fs.readFileSync(MADE_OF, "utf8"));
    return node === process.version && Object.entries(sources).every(([file, state]) => stateOf(file) === state);
  } catch {
    return false; // not made yet, or a source is gone
  }
}

/** Makes the bundles if they are missing or older than a source. A package without sources has them as they are. */
function ensureBundles() {
  if (!fs.existsSync(path.join(ROOT, "index.ts")) || isUpToDate()) return;
  // In a process of its own, so that the bundler is not part of what runs; stdout is the output of a program.
  const built = spawnSync(process.execPath, [path.join(__dirname, "build.cjs")], { encoding: "utf8" });
  if (built.status === 0) return;
  const problem = (built.stderr || String(built.error ?? "")).trim();
  throw new Error(`the program cannot be bundled: ${problem}\nFix: npm ci, and put right the source that it names`);
}

/** Runs the bundle of an entry and returns what it exports. */
function load(name) {
  ensureBundles();
  return run(bundleOf(name));
}

module.exports = { MADE_OF, ROOT, bundleOf, ensureBundles, load, stateOf };
