import { findSourceMap } from "node:module";

/**
 * Gives errors stack traces with the lines of our TypeScript, and leaves those of installed packages as they are.
 *
 * Import it first. Without it, the Pulumi SDK translates its own frames to paths like
 * `node_modules/@pulumi/resource.ts`, which do not exist and send the colouring of `util.inspect` in Node 20 into a
 * loop that ends only when memory for the string runs out: every failing preview then takes half a minute longer. And
 * lines of TypeScript come out as they were after compilation.
 */
Error.prepareStackTrace = (error, frames) =>
  [String(error), ...frames.map((frame) => `    at ${locate(frame)}`)].join("\n");

function locate(frame: NodeJS.CallSite): string {
  const file = frame.getFileName();
  if (!file || file.includes("node_modules")) return asIs(frame);
  const map = findSourceMap(file);
  // Both count from 0, a stack trace from 1.
  const entry = map?.findEntry((frame.getLineNumber() ?? 1) - 1, (frame.getColumnNumber() ?? 1) - 1);
  if (entry === undefined || !("originalLine" in entry)) return asIs(frame);
  const place = `${file}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  const name = frame.getFunctionName();
  return name === null ? place : `${frame.isAsync() ? "async " : ""}${name} (${place})`;
}

/** V8's own text for the frame. */
function asIs(frame: NodeJS.CallSite): string {
  // eslint-disable-next-line @typescript-eslint/no-base-to-string -- the type does not say that V8 gives it a toString
  return frame.toString();
}
