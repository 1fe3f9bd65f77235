// The pack as it runs. A published pack has its bundle; in the project that is made anew when a source has changed.
"use strict";
const { existsSync } = require("node:fs");
const { join } = require("node:path");
const loader = join(__dirname, "../bundle/load.cjs");
if (existsSync(loader)) require(loader).ensureBundles();
require("./dist/index.cjs");
