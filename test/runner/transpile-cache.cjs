// Loaded into every Node process of a test run. The program and each of its helper programs are TypeScript, which
// esbuild-register translates anew at every start: a second of CPU each, hundreds of times in a run, always with the same
// result. Here the results are kept on disk, by everything that they depend on. Command lines stay as they are, since they are
// recorded in the state of a stack.
"use strict";
const { createHash } = require("node:crypto");
const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");

const checkout = path.resolve(__dirname, "../..");
const folder = path.join(checkout, ".sandbox", "tests", "transpiled");
const load = Module._load;

Module._load = function (request, parent, ...rest) {
  if (request !== "esbuild" || !/[\\/]esbuild-register[\\/]/.test(parent?.filename ?? "")) {
    return load.call(this, request, parent, ...rest);
  }
  // Starting esbuild takes time, too, so that is put off until something must be translated.
  const esbuild = () => load.call(this, request, parent, ...rest);
  const { version } = JSON.parse(fs.readFileSync(path.join(checkout, "node_modules/esbuild/package.json"), "utf8"));
  return new Proxy(
    { transformSync: (code, options) => cached(version, code, options, () => esbuild().transformSync(code, options)) },
    { get: (own, name) => own[name] ?? esbuild()[name] },
  );
};

function cached(version, code, options, transform) {
  const key = createHash("sha256")
    .update(JSON.stringify([version, process.version, options, code]))
    .digest("hex");
  const file = path.join(folder, `${key}.json`);
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    // Not there yet.
  }
  const result = transform();
  if (result.warnings.length > 0) return result;
  fs.mkdirSync(folder, { recursive: true });
  // In one step, since other processes read and write here at the same time.
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, JSON.stringify(result));
  fs.renameSync(temporary, file);
  return result;
}
