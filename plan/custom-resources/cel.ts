import { Environment } from "@marcbachmann/cel-js";
import { isMap } from "../objects";
import { childPath, fieldOf, itemsOf, propertiesOf, type SchemaNode, valuesOf } from "./structural";

/** What the CEL rules of a schema say about an object. */
export interface CelResult {
  rejected: string[];
  unchecked: string[];
}

interface Rule {
  text: string;
  /** What the rule says when it fails: its own message, or the rule. */
  message: string;
  evaluate: (context: Record<string, unknown>) => unknown;
}

/** CEL's reserved words; a field of such a name is written `__word__` in a rule. */
const RESERVED = new Set([
  ...["true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"],
  ...["let", "loop", "package", "namespace", "return", "var", "void", "while"],
]);

/**
 * Evaluates x-kubernetes-validations. Rules over the old object (`oldSelf`) judge changes and have nothing to say about an
 * object that is there. What the JavaScript CEL does not know (Kubernetes' own functions for URLs, quantities and so on) is
 * told as unchecked, never taken as passed.
 */
export class CelRules {
  private readonly environment = new Environment({
    unlistedVariablesAreDyn: true,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
  });
  private readonly compiled = new Map<SchemaNode, Rule[]>();
  private readonly withRules = new Map<SchemaNode, boolean>();
  private readonly broken: string[] = [];

  constructor(private readonly schema: SchemaNode) {
    this.compile(schema, "");
  }

  check(object: unknown): CelResult {
    const result: CelResult = { rejected: [], unchecked: [...this.broken] };
    this.walk(object, this.schema, "", result);
    return { rejected: result.rejected, unchecked: [...new Set(result.unchecked)] };
  }

  /** Compiles the rules of a node and all below; remembers whether there are any, so that checking passes over the rest. */
  private compile(node: SchemaNode, path: string): boolean {
    const given: unknown = node["x-kubernetes-validations"];
    const rules = (Array.isArray(given) ? given : []).flatMap((rule) => this.compileRule(rule, path));
    this.compiled.set(node, rules);
    const below = [
      ...Object.entries(propertiesOf(node)).map(([key, at]) => this.compile(at, childPath(path, key))),
      ...[itemsOf(node), valuesOf(node)].flatMap((at) => (at ? [this.compile(at, `${path}[]`)] : [])),
    ];
    const any = rules.length > 0 || below.some(Boolean);
    this.withRules.set(node, any);
    return any;
  }

  private compileRule(rule: unknown, path: string): Rule[] {
    const text: unknown = isMap(rule) ? rule["rule"] : undefined;
    if (typeof text !== "string" || /\boldSelf\b/.test(text)) return [];
    const given: unknown = isMap(rule) ? rule["message"] : undefined;
    const message = typeof given === "string" ? given.trim() : `breaks the rule ${text.trim()}`;
    try {
      return [{ text, message, evaluate: this.environment.parse(text) }];
    } catch (error) {
      this.broken.push(`${path || "the object"}: rule ${text.trim()}: ${reason(error)}`);
      return [];
    }
  }

  private walk(value: unknown, node: SchemaNode | undefined, path: string, result: CelResult): void {
    if (node === undefined || value === null || value === undefined || !this.withRules.get(node)) return;
    const rules = this.compiled.get(node) ?? [];
    if (rules.length > 0) {
      const self = celValue(value, node, path === "");
      for (const rule of rules) apply(rule, self, path || "the object", result);
    }
    if (Array.isArray(value)) value.forEach((item, i) => this.walk(item, itemsOf(node), childPath(path, i), result));
    else if (isMap(value)) {
      for (const [key, at] of Object.entries(value)) this.walk(at, fieldOf(node, key), childPath(path, key), result);
    }
  }
}

function apply(rule: Rule, self: unknown, path: string, result: CelResult): void {
  try {
    const passed = rule.evaluate({ self });
    if (passed === false) result.rejected.push(`${path}: ${rule.message}`);
    else if (passed !== true) result.unchecked.push(`${path}: rule ${rule.text.trim()} gives no boolean here`);
  } catch (error) {
    // The server rejects an object that a rule trips over, too.
    if (/no such key/i.test(reason(error)))
      result.rejected.push(`${path}: ${rule.message} (a field it reads is not set)`);
    else result.unchecked.push(`${foldIndices(path)}: rule ${rule.text.trim()}: ${reason(error)}`);
  }
}

/** A value as CEL types it by the schema: whole numbers are integers, times are timestamps, odd names are escaped. */
function celValue(value: unknown, node: SchemaNode | undefined, isRoot = false): unknown {
  if (Array.isArray(value)) return value.map((item) => celValue(item, itemsOf(node)));
  if (isMap(value)) {
    const properties = node ? propertiesOf(node) : {};
    const entries = Object.entries(value).map(([key, at]) => {
      const name = key in properties || isRoot ? escaped(key) : key;
      return [name, celValue(at, fieldOf(node, key))] as const;
    });
    return Object.fromEntries(entries);
  }
  if (typeof value === "number" && Number.isInteger(value)) {
    const isInteger =
      node?.["type"] === "integer" || node?.["x-kubernetes-int-or-string"] === true || node?.["type"] === undefined;
    return isInteger ? BigInt(value) : value;
  }
  if (typeof value === "string" && node?.["format"] === "date-time") return new Date(value);
  return value;
}

function escaped(name: string): string {
  if (RESERVED.has(name)) return `__${name}__`;
  return name
    .replaceAll("__", "__underscores__")
    .replaceAll(".", "__dot__")
    .replaceAll("-", "__dash__")
    .replaceAll("/", "__slash__");
}

function foldIndices(path: string): string {
  return path.replace(/\[\d+\]/g, "[]");
}

function reason(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
}
