// The programs that commands of the upgrade run: node bundle/program.cjs NAME --context CONTEXT, the job on stdin. This
// line is recorded in the state of stacks, so neither it nor the names in entries.json change.
"use strict";
const [name] = process.argv.splice(2, 1);
require("./load.cjs").load(name);
