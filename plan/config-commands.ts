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

/** How a value is stored. */
export interface SetOptions {
  /** Encrypted; the line has no value then, so that the CLI asks for it and it stays out of the shell's history. */
  secret?: boolean;
  /** Overrides the type of the value before: the CLI stores text where text was, a number given or not. */
  type?: "int" | "bool";
}

/** The line that sets a key to text, a number or a boolean. */
export function setLine(path: readonly PropertyKey[], value: unknown, options: SetOptions = {}): string {
  const words = ["pulumi config set"];
  if (options.secret) words.push("--secret");
  if (path.length > 1) words.push("--path");
  if (options.type) words.push(`--type ${options.type}`);
  words.push(shellWord(keyText(path)));
  if (!options.secret) words.push(shellWord(typeof value === "string" ? value : JSON.stringify(value)));
  return words.join(" ");
}

/** The line that removes a key. */
export function removeLine(path: readonly PropertyKey[]): string {
  return `pulumi config rm ${path.length > 1 ? "--path " : ""}${shellWord(keyText(path))}`;
}

/** The line that sets an example; of a map or list it sets the first leaf, so that this is stored with its type. */
export function exampleLine(path: readonly PropertyKey[], example: unknown, options: SetOptions = {}): string {
  if (typeof example !== "object" || example === null) return setLine(path, example, options);
  const [key, value] = Object.entries(example)[0] ?? [];
  return exampleLine([...path, Array.isArray(example) ? Number(key) : String(key)], value, options);
}

function shellWord(word: string): string {
  return /^[\w./:@=-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
