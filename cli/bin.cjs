#!/usr/bin/env node
"use strict";
require("../bundle/load.cjs").load("cli");
