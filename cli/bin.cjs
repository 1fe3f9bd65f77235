#!/usr/bin/env node
// The program is TypeScript, compiled while it is loaded, like the Pulumi program itself.
require("esbuild-register");
require("./main.ts");
