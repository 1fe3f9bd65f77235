// Makes the bundles: node bundle/build.cjs, which load.cjs does when a source has changed.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { buildSync } = require("esbuild");
const entries = require("./entries.json");
const { MADE_OF, ROOT, bundleOf, stateOf } = require("./load.cjs");

// Installed packages that must be the one copy that Pulumi loads, too, or that few runs need and that are large.
const EXTERNAL = ["@pulumi/*", "@aws-sdk/*", "@kubernetes/client-node"];
/** Runs before anything of a bundle does. */
const FIRST = `(() => {\n${fs.readFileSync(path.join(__dirname, "lazy.cjs"), "utf8")}\n})();`;
/** What bundles depend on besides the sources in them. */
const OTHERS = ["bundle/build.cjs", "bundle/entries.json", "bundle/lazy.cjs", "package-lock.json", "tsconfig.json"];

const begun = Date.now();
const inputs = new Set(OTHERS);
for (const [name, entry] of Object.entries(entries)) {
  const outfile = bundleOf(name);
  const { outputFiles, metafile } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: EXTERNAL,
    // A package that others load must leave how they load modules alone.
    banner: name === "component" ? {} : { js: FIRST },
    // Without a link to the map, or the SDK would read it for the place of each resource in the program.
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    logLevel: "error",
    metafile: true,
    write: false,
  });
  for (const input of Object.keys(metafile.inputs)) {
    if (!input.includes("node_modules/")) inputs.add(input);
  }
  fs.mkdirSync(path.dirname(outfile), { recursive: true });
  for (const { path: file, contents } of outputFiles) write(file, contents);
}
const sources = Object.fromEntries([...inputs].sort().map((file) => [file, sureStateOf(file)]));
write(MADE_OF, JSON.stringify({ node: process.version, sources }, null, 2));

/** A file that was written meanwhile may be in a bundle in either form, so the next start makes them anew. */
function sureStateOf(file) {
  const { mtimeMs } = fs.statSync(path.join(ROOT, file));
  return mtimeMs < begun ? stateOf(file) : "changed meanwhile";
}

/** In one step: other processes may read, or make the same, at this moment. */
function write(file, contents) {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, contents);
  fs.renameSync(temporary, file);
}
