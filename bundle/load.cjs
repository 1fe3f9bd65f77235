// What runs are bundles of the TypeScript sources, one file for each entry: to translate some 200 files at every start
// took longer than all the rest of a preview. The sources stay what one edits: a bundle is made anew when one changed.
"use strict";
const { spawnSync } = require("node:child_process");
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const vm = require("node:vm");

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
  const file = bundleOf(name);
  return run(file, codeOf(file));
}

/**
 * The code that V8 made of a bundle in an earlier run, for as long as it is the same bundle and the same Node.js: V8
 * itself compares no more than the length of the text.
 */
function codeOf(file) {
  const { mtimeMs, size } = fs.statSync(file);
  return `${file}.${process.version}-${process.arch}-${Math.round(mtimeMs)}-${size}.code`;
}

/** As `require` does, but for the code: to compile three megabytes anew takes longer than to run them. */
function run(file, code) {
  const module = new Module(file, require.main);
  module.filename = file;
  module.paths = Module._nodeModulePaths(path.dirname(file));
  const cachedData = fs.existsSync(code) ? fs.readFileSync(code) : undefined;
  const script = new vm.Script(Module.wrap(fs.readFileSync(file, "utf8")), {
    ...{ filename: file, cachedData },
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const wrapper = script.runInThisContext();
  wrapper.call(module.exports, module.exports, Module.createRequire(file), module, file, path.dirname(file));
  if (cachedData === undefined || script.cachedDataRejected) keepCode(code, script);
  return module.exports;
}

/** Whoever may not write there, or is too late, goes on without. */
function keepCode(code, script) {
  const temporary = `${code}.${process.pid}`;
  try {
    fs.writeFileSync(temporary, script.createCachedData());
    fs.renameSync(temporary, code);
  } catch {
    fs.rmSync(temporary, { force: true });
  }
}

module.exports = { MADE_OF, ROOT, bundleOf, ensureBundles, load, stateOf };
