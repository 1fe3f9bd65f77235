// The mini flavour loads 60 ms faster, and the engine starts this host twice for every preview.
import * as z from "zod/mini";

/** The `runtime.options` of a Pulumi.yaml that this host understands. */
export interface NodeOptions {
  /** Let the SDK compile TypeScript with ts-node. Default true, as with the official host. */
  typescript: boolean;
  /** Path of the tsconfig.json ts-node should use. */
  tsconfig?: string;
  /** Arguments for the node process itself, e.g. `["--import", "tsx"]`. */
  nodeArgs: string[];
}

const schema = z.looseObject({
  typescript: z._default(z.boolean(), true),
  tsconfig: z.optional(z.string()),
  nodeargs: z._default(z.string(), ""),
});

/** Reads the options of a project or policy pack; throws an error that names the wrong option. */
export function parseOptions(options: unknown): NodeOptions {
  const parsed = schema.safeParse(options ?? {});
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new Error(`runtime option ${issue?.path.join(".") ?? "?"} in Pulumi.yaml is wrong: ${issue?.message ?? ""}`);
  }
  const { typescript, tsconfig, nodeargs } = parsed.data;
  return { typescript, tsconfig, nodeArgs: splitArguments(nodeargs) };
}

/** Splits a command line the way a shell does, quotes and backslashes included; nothing is expanded. */
export function splitArguments(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote: string | undefined;
  for (let i = 0; i < line.length; i++) {
    const char = line.charAt(i);
    if (char === "\\" && quote !== "'" && i + 1 < line.length) {
      word = (word ?? "") + line.charAt(++i);
    } else if (quote !== undefined) {
      if (char === quote) quote = undefined;
      else word = (word ?? "") + char;
    } else if (char === "'" || char === '"') {
      quote = char;
      word ??= "";
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else {
      word = (word ?? "") + char;
    }
  }
  if (quote !== undefined) throw new Error(`runtime option nodeargs has an unclosed ${quote}: ${line}`);
  if (word !== undefined) words.push(word);
  return words;
}
