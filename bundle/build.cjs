// Makes the bundles: node bundle/build.cjs STATE, which load.cjs does when a source has changed.
"use strict";
const fs = require("node:fs");
const path = require("node:path");
const { buildSync } = require("esbuild");
const entries = require("./entries.json");
const { MADE_OF, ROOT, bundleOf } = require("./load.cjs");

// Installed packages that must be the one copy that Pulumi loads, too, or that few runs need and that are large.
const EXTERNAL = ["@pulumi/*", "@aws-sdk/*", "@kubernetes/client-node"];

/** Runs before anything of a bundle does. */
const FIRST = `(() => {\n${fs.readFileSync(path.join(__dirname, "lazy.cjs"), "utf8")}\n})();`;

for (const [name, entry] of Object.entries(entries)) {
  const outfile = bundleOf(name);
  const { outputFiles } = buildSync({
    absWorkingDir: ROOT,
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: EXTERNAL,
    banner: { js: FIRST },
    // Without a link to the map, or the SDK would read it for the place of each resource in the program.
    sourcemap: "external",
    sourcesContent: false,
    legalComments: "none",
    logLevel: "error",
    write: false,
  });
  fs.mkdirSync(path.dirname(outfile), { recursive: true });
  for (const { path: file, contents } of outputFiles) write(file, contents);
}
write(MADE_OF, process.argv[2]);

/** In one step: other processes may read, or make the same, at this moment. */
function write(file, contents) {
  const temporary = `${file}.${process.pid}`;
  fs.writeFileSync(temporary, contents);
  fs.renameSync(temporary, file);
}
