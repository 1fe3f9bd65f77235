/** The folder of the project. */
export const ROOT: string;
/** The file that says what the bundles were made of. */
export const MADE_OF: string;
/** Where the bundle of an entry of entries.json is. */
export function bundleOf(name: string): string;
/** Makes the bundles if they are missing or older than a source. @throws Error when a source cannot be bundled. */
export function ensureBundles(): void;
/** Runs the bundle of an entry and returns what it exports. */
export function load(name: string): unknown;
/** Date and size of a source, by its path in the project. */
export function stateOf(file: string): string;
