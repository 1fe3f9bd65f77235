import { RE2JS } from "re2js";

/** A Go (RE2) regular expression. */
export interface GoRegExp {
  /** Whether it matches anywhere in the text. */
  test(text: string): boolean;
  /** The matches from left to right; as Go, without an empty one right behind another match. */
  findAll(text: string): string[];
}

const compiled = new Map<string, GoRegExp | undefined>();

/**
 * Compiles a Go regular expression; undefined when Go would refuse it, so that nothing can be said about what it finds.
 */
export function goRegExp(pattern: string): GoRegExp | undefined {
  if (!compiled.has(pattern)) compiled.set(pattern, compile(pattern));
  return compiled.get(pattern);
}

function compile(pattern: string): GoRegExp | undefined {
  let expression: RE2JS;
  try {
    expression = RE2JS.compile(pattern);
  } catch {
    return undefined;
  }
  return { test: (text) => expression.test(text), findAll: (text) => findAll(expression, text) };
}

function findAll(expression: RE2JS, text: string): string[] {
  const matcher = expression.matcher(text);
  const found: string[] = [];
  let end = -1;
  while (matcher.find()) {
    const match = matcher.group() ?? "";
    if (match !== "" || matcher.start() !== end) found.push(match);
    end = matcher.end();
  }
  return found;
}
