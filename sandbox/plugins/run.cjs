// Runs the bundle of an embedded plugin: node run.cjs BUNDLE ARGUMENTS.
"use strict";
const [bundle] = process.argv.splice(2, 1);
require("../../bundle/cached-code.cjs").run(bundle);
