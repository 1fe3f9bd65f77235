import { existsSync, readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";

/** One mocha process. */
export interface Job {
  title: string;
  /** Test files, relative to the checkout. */
  files: string[];
}

/** All `*.test.ts` below a folder, relative to the checkout, sorted; or one file, named with or without `.test.ts`. */
export function testFiles(checkout: string, name: string): string[] {
  const path = join(checkout, name);
  for (const file of [path, `${path}.test.ts`]) {
    if (statSync(file, { throwIfNoEntry: false })?.isFile()) return [relative(checkout, file)];
  }
  if (!existsSync(path)) throw new Error(`there are no tests in ${name}`);
  return readdirSync(path, { recursive: true, encoding: "utf8" })
    .filter((found) => found.endsWith(".test.ts"))
    .map((found) => relative(checkout, join(path, found)))
    .sort();
}

/** Folders in which each file has a process to itself: most of its time it waits for a cluster or an engine. */
const OWN_PROCESS = /^test\/(integration|conformance)\//;

/**
 * The jobs for some files: unit tests in one process, since loading the program takes longer than running them; every
 * other file in its own. The longest come first, so that no long one is left for the end.
 *
 * @param seconds what a file took the last time; unknown ones count as long, in the order given.
 */
export function jobsFor(files: string[], seconds: Record<string, number>): Job[] {
  const alone = files.filter((file) => OWN_PROCESS.test(file));
  const together = files.filter((file) => !OWN_PROCESS.test(file));
  const length = (file: string) => seconds[file] ?? Infinity;
  const byLength = (a: string, b: string) => (length(a) === length(b) ? 0 : length(b) - length(a));
  return [
    ...(together.length > 0 ? [{ title: `unit tests, ${together.length} files`, files: together }] : []),
    ...alone.sort(byLength).map((file) => ({ title: file, files: [file] })),
  ];
}

/** The title of a file for tables: without what all have in common. */
export function shortName(file: string): string {
  return file.replace(/^test\//, "").replace(/\.test\.ts$/, "");
}
