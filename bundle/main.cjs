// The entry of this folder, which is three things. Pulumi and node find it by one entry in package.json, so it looks who
// loads it: the engine that runs this folder as a plugin, or as a program, or a program of others that imports the package.
"use strict";
const { ROOT, load } = require("./load.cjs");

const runner = require.main?.filename ?? "";
if (/[\\/]cmd[\\/]run-plugin[\\/.]/.test(runner)) {
  load("plugin").serve(load("component").CasaUpgrade);
} else if (/[\\/]cmd[\\/]run[\\/.]/.test(runner) && process.cwd() === ROOT) {
  module.exports = load("index");
} else {
  // Written so that node sees the name in it, for programs that `import` it.
  exports.CasaUpgrade = load("component").CasaUpgrade;
}
