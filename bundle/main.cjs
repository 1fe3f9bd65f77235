// The Pulumi program.
"use strict";
module.exports = require("./load.cjs").load("index");
