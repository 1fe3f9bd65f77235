/**
 * The process beside each embedded cluster that ends the cluster when its owner is gone, whatever ended the owner. Run
 * as `keeper.ts <cluster folder> [--detached]`, with messages on stderr.
 *
 * A cluster that is not detached has its owner's pipe as stdin here. The system closes it when the owner ends, even by
 * SIGKILL.
 */
import { destroyCluster } from "./destroy";

const [dir = "", mode] = process.argv.slice(2);
const log = (text: string) => process.stderr.write(`${new Date().toISOString()} ${text}\n`);

let ending = false;
function end(why: string): void {
  if (ending) return;
  ending = true;
  log(`ending the cluster: ${why}`);
  destroyCluster(dir).then(
    () => process.exit(0),
    (error: Error) => {
      log(error.message);
      process.exit(1);
    },
  );
}

process.on("SIGTERM", () => end("asked to stop"));
// Ctrl-C reaches the owner; what it leaves behind is cleaned up when the pipe closes.
process.on("SIGINT", () => undefined);
process.on("SIGHUP", () => undefined);
process.on("uncaughtException", (error) => log(`uncaught: ${error.stack}`));
if (mode !== "--detached") {
  process.stdin.on("end", () => end("its owner is gone"));
  process.stdin.on("error", () => end("its owner is gone"));
  process.stdin.resume();
} else {
  // Keeps the process running until it is told to stop.
  setInterval(() => undefined, 3_600_000);
}
