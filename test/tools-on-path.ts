import * as path from "node:path";
import { BIN_DIR } from "../sandbox/paths";

// The tests call helm and kubectl as the program does: from PATH. `make setup` links the fitting ones here.
process.env["PATH"] = [BIN_DIR, process.env["PATH"]].join(path.delimiter);
