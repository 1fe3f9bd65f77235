import { shellWord } from "../shared/shell-word";

/** A key's path as `pulumi config --path` wants it, e.g. `restarts.workloads[0]`. */
export function keyText(path: readonly PropertyKey[]): string {
  return path.map((step, i) => stepText(step, i === 0)).join("");
}

function stepText(step: PropertyKey, first: boolean): string {
  if (typeof step === "number") return `[${step}]`;
  const key = String(step);
  // The first step is the key itself, which the CLI takes as it is; a dot in a later one would start another step.
  if (first) return key;
  return /^[\w-]+$/.test(key) ? `.${key}` : `["${key.replaceAll('"', '\\"')}"]`;
}

/**
 * The line that sets a key to text, a number or a boolean. A secret's line has no value: the CLI asks for it, which
 * keeps it out of the shell's history.
 */
export function setLine(path: readonly PropertyKey[], value: unknown, secret = false): string {
  const words = ["pulumi config set"];
  if (secret) words.push("--secret");
  if (path.length > 1) words.push("--path");
  words.push(shellWord(keyText(path)));
  if (!secret) words.push(shellWord(typeof value === "string" ? value : JSON.stringify(value)));
  return words.join(" ");
}

/** The line that removes a key. */
export function removeLine(path: readonly PropertyKey[]): string {
  return `pulumi config rm ${path.length > 1 ? "--path " : ""}${shellWord(keyText(path))}`;
}

/** The line that sets an example; of a map or list it sets the first leaf, so that this is stored with its type. */
export function exampleLine(path: readonly PropertyKey[], example: unknown, secret = false): string {
  if (typeof example !== "object" || example === null) return setLine(path, example, secret);
  const [key, value] = Object.entries(example)[0] ?? [];
  return exampleLine([...path, Array.isArray(example) ? Number(key) : String(key)], value, secret);
}
