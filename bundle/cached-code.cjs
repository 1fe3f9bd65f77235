// Runs a bundle with the code that V8 made of it in an earlier run: to compile megabytes anew at each start takes longer
// than to run them.
"use strict";
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const vm = require("node:vm");

/**
 * As `require` does, but for the code. It is kept when the process ends, so that it has the functions that a run needs.
 *
 * @param file an absolute path.
 */
function run(file) {
  const module = new Module(file, require.main);
  module.filename = file;
  module.paths = Module._nodeModulePaths(path.dirname(file));
  const code = codeOf(file);
  const cachedData = read(code);
  const script = new vm.Script(Module.wrap(fs.readFileSync(file, "utf8")), {
    ...{ filename: file, cachedData },
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const wrapper = script.runInThisContext();
  if (cachedData === undefined || script.cachedDataRejected) process.once("exit", () => keep(file, code, script));
  wrapper.call(module.exports, module.exports, Module.createRequire(file), module, file, path.dirname(file));
  return module.exports;
}

/** For as long as it is the same bundle and the same Node.js: V8 itself compares no more than the length of the text. */
function codeOf(file) {
  const { mtimeMs, size } = fs.statSync(file);
  return `${file}.${process.version}-${process.arch}-${Math.round(mtimeMs)}-${size}.code`;
}

/** Another process may put another form in its place at any moment. */
function read(code) {
  try {
    return fs.readFileSync(code);
  } catch {
    return undefined;
  }
}

/** Whoever may not write there, or is too late, goes on without. */
function keep(file, code, script) {
  const temporary = `${code}.${process.pid}`;
  try {
    fs.writeFileSync(temporary, script.createCachedData());
    removeCode(file);
    fs.renameSync(temporary, code);
  } catch {
    fs.rmSync(temporary, { force: true });
  }
}

/** Removes code that was made of an earlier form of a bundle. */
function removeCode(file) {
  const [folder, name] = [path.dirname(file), path.basename(file)];
  const isCode = (other) => other.startsWith(`${name}.v`) && other.endsWith(".code");
  for (const other of fs.readdirSync(folder).filter(isCode)) fs.rmSync(path.join(folder, other), { force: true });
}

module.exports = { run };
