import { readFileSync } from "node:fs";
import { findSourceMap, SourceMap } from "node:module";
import { dirname, resolve } from "node:path";

/**
 * Gives errors stack traces with the lines of our TypeScript, and leaves those of installed packages as they are.
 *
 * Import it first. Without it, the Pulumi SDK translates its own frames to paths like
 * `node_modules/@pulumi/resource.ts`, which do not exist and send the colouring of `util.inspect` in Node 20 into a
 * loop that ends only when memory for the string runs out: every failing preview then takes half a minute longer. And
 * lines of TypeScript come out as they were after compilation.
 */
Error.prepareStackTrace = (error, frames) => {
  // An error without a message is no error: the SDK makes one for each resource, to see where it was declared.
  const place = error.message === "" ? asIs : locate;
  return [String(error), ...frames.map((frame) => `    at ${place(frame)}`)].join("\n");
};

function locate(frame: NodeJS.CallSite): string {
  const file = frame.getFileName();
  const map = file ? mapOf(file) : undefined;
  if (!file || !map) return asIs(frame);
  // Both count from 0, a stack trace from 1.
  const entry = map.findEntry((frame.getLineNumber() ?? 1) - 1, (frame.getColumnNumber() ?? 1) - 1);
  if (!("originalLine" in entry)) return asIs(frame);
  const source = resolve(dirname(file), entry.originalSource);
  const place = `${source}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  const name = frame.getFunctionName();
  return name === null ? place : `${frame.isAsync() ? "async " : ""}${name} (${place})`;
}

/** Source maps of bundles; read when the first error is thrown, since most runs have none. */
const maps = new Map<string, SourceMap | undefined>();

function mapOf(file: string): SourceMap | undefined {
  if (file.includes("node_modules")) return undefined;
  if (!maps.has(file)) maps.set(file, findSourceMap(file) ?? readMap(`${file}.map`));
  return maps.get(file);
}

function readMap(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(file, "utf8")) as ConstructorParameters<typeof SourceMap>[0]);
  } catch {
    return undefined; // a package without maps
  }
}

/** V8's own text for the frame. */
function asIs(frame: NodeJS.CallSite): string {
  // eslint-disable-next-line @typescript-eslint/no-base-to-string -- the type does not say that V8 gives it a toString
  return frame.toString();
}
