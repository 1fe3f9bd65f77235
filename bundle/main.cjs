// The entry of this folder: of the Pulumi program, or of the plugin when the engine starts it as one.
"use strict";
const { load } = require("./load.cjs");
if (/[\\/]cmd[\\/]run-plugin\b/.test(require.main?.filename ?? "")) load("plugin").serve(load("component").CasaUpgrade);
else module.exports = load("index");
