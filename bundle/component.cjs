// The entry of the npm package. Written so that node sees the name in it, for programs that `import` it.
"use strict";
exports.CasaUpgrade = require("./load.cjs").load("component").CasaUpgrade;
