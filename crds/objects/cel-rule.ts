import { type ASTNode, Environment, EvaluationError, type ParseResult } from "@marcbachmann/cel-js";
import { isMap } from "../../kubernetes/objects";
import { addDuration, addFunctions, NotHere, REPLACED, RuleTrips, UNTRUSTED } from "./cel-functions";
import { unescaped } from "./cel-values";
import { fieldOf, itemsOf, propertiesOf, type SchemaNode, valuesOf } from "./structural";

/** What a rule says about a value; a text says why it cannot be said. */
export type Verdict = "holds" | "broken" | { unchecked: string };

export interface Rule {
  /**
   * What to tell when it is broken: its own message, or the rule. Never the result of its messageExpression, which may
   * hold a value.
   */
  message: string;
  text: string;
  evaluate: (self: unknown) => Verdict;
}

/** Errors of the library that the server has in the same case, as its evaluation fails, too. */
const TRIPS = new Set([
  ...["no_such_key", "index_out_of_bounds", "index_out_of_range", "division_by_zero", "modulo_by_zero"],
  ...["numeric_overflow", "optional_value_missing", "invalid_timestamp", "invalid_duration", "bool_conversion_error"],
]);
/** Macros over lists and maps; the first argument is the name of the element. */
const MACROS = new Set(["all", "exists", "exists_one", "map", "filter"]);

/** Schemas of the names in a rule; undefined: unknown. */
type Scope = ReadonlyMap<string, SchemaNode | undefined>;

/** Compiles rules; one for all rules of a schema. */
export class RuleCompiler {
  private readonly environment = new Environment({
    unlistedVariablesAreDyn: true,
    homogeneousAggregateLiterals: false,
    enableOptionalTypes: true,
  });
  private readonly noOldSelf: unknown = this.environment.evaluate("optional.none()");

  constructor() {
    addFunctions(this.environment);
    addDuration(this.environment, this.duration);
  }

  /** CEL's duration of a Go duration. */
  readonly duration = (text: string): unknown => this.environment.evaluate("duration(text)", { text });

  /**
   * @param node schema of `self`.
   * @throws Error whose message says why the rule cannot be evaluated here.
   */
  compile(text: string, message: string, node: SchemaNode): Rule {
    const scope: Scope = new Map([["self", node]]);
    requireTrusted(this.parse(text).ast, scope);
    const program = this.parse(withReplaced(text, this.parse(text).ast));
    const { valid, error } = program.check();
    if (!valid) throw new Error(`is not understood (${error?.code ?? "unknown"}: ${error?.summary ?? ""})`);
    return { text, message, evaluate: (self) => this.evaluate(program, self) };
  }

  private parse(text: string): ParseResult {
    try {
      return this.environment.parse(text);
    } catch (error) {
      const code = (error as { code?: string }).code ?? "parse_error";
      throw new Error(`is not understood (${code})`, { cause: error });
    }
  }

  private evaluate(program: ParseResult, self: unknown): Verdict {
    try {
      const passed: unknown = program({ self, oldSelf: this.noOldSelf });
      if (typeof passed === "boolean") return passed ? "holds" : "broken";
      return { unchecked: "gives no boolean" };
    } catch (error) {
      if (error instanceof RuleTrips) return "broken";
      const code = error instanceof EvaluationError ? error.code : undefined;
      if (code !== undefined && TRIPS.has(code)) return "broken";
      // The library's words may quote a value, so they are not passed on.
      return { unchecked: error instanceof NotHere ? "uses what only Go evaluates" : `fails (${code ?? "unknown"})` };
    }
  }
}

/** Whether a rule reads the old object. */
export function readsOldSelf(text: string): boolean {
  const withoutTexts = text.replace(/r?"(?:[^"\\]|\\.)*"|r?'(?:[^'\\]|\\.)*'/g, '""');
  return /\boldSelf\b/.test(withoutTexts);
}

/** The rule with our functions in place of the library's. */
function withReplaced(text: string, ast: ASTNode): string {
  const places: { at: number; name: string }[] = [];
  visit(ast, (node) => {
    if (node.op !== "call" && node.op !== "rcall") return;
    const name = node.args[0];
    if (!REPLACED.has(name)) return;
    const from = node.op === "call" ? node.start : node.args[1].end;
    places.push({ at: text.indexOf(name, from), name });
  });
  return places
    .sort((a, b) => b.at - a.at)
    .reduce((out, { at, name }) => out.slice(0, at) + (REPLACED.get(name) ?? name) + out.slice(at + name.length), text);
}

function visit(node: ASTNode, see: (node: ASTNode) => void): void {
  see(node);
  for (const child of childrenOf(node)) visit(child, see);
}

function childrenOf(node: ASTNode): ASTNode[] {
  const nodesIn = (value: unknown): ASTNode[] =>
    Array.isArray(value) ? value.flatMap(nodesIn) : isNode(value) ? [value] : [];
  return nodesIn(node.args);
}

function isNode(value: unknown): value is ASTNode {
  return isMap(value) && typeof value["op"] === "string";
}

/** @throws Error when the rule rests on something in which the library differs from the server. */
function requireTrusted(node: ASTNode, scope: Scope): void {
  if ((node.op === "call" || node.op === "rcall") && UNTRUSTED.has(node.args[0])) {
    throw new Error(`uses ${node.args[0]}(), which cannot be evaluated here`);
  }
  if (["==", "!=", "+"].includes(node.op)) {
    const operands = childrenOf(node).map((operand) => schemaOf(operand, scope));
    if (operands.some((operand) => operand && holdsKeyedList(operand))) {
      throw new Error("compares or joins lists that are sets or maps, which cannot be done here");
    }
  }
  if (node.op === "rcall" && MACROS.has(node.args[0])) {
    const [, receiver, [element, ...bodies]] = node.args;
    requireTrusted(receiver, scope);
    const inner = new Map(scope);
    if (element?.op === "id") inner.set(element.args, elementOf(schemaOf(receiver, scope)));
    for (const body of bodies) requireTrusted(body, inner);
    return;
  }
  for (const child of childrenOf(node)) requireTrusted(child, scope);
}

/** What a comprehension runs over: a list's elements, or the keys of a map. */
function elementOf(node: SchemaNode | undefined): SchemaNode | undefined {
  return itemsOf(node) ?? (node ? { type: "string" } : undefined);
}

/** Schema of what an expression reads; undefined where it is made up by the rule. */
function schemaOf(node: ASTNode, scope: Scope): SchemaNode | undefined {
  if (node.op === "id") return scope.get(node.args);
  if (node.op === "." || node.op === ".?") return fieldOf(schemaOf(node.args[0], scope), unescaped(node.args[1]));
  if (node.op === "[]" || node.op === "[?]") {
    const indexed = schemaOf(node.args[0], scope);
    return itemsOf(indexed) ?? valuesOf(indexed);
  }
  // A filtered list, and what an optional holds, are of the type of what they are made from.
  const isSame = node.op === "rcall" && ["filter", "orValue", "value"].includes(node.args[0]);
  return isSame ? schemaOf(node.args[1], scope) : undefined;
}

/** Whether a value is, or holds, a list whose order does not count. */
function holdsKeyedList(node: SchemaNode): boolean {
  const type = node["x-kubernetes-list-type"];
  if (type === "set" || type === "map") return true;
  const below = [itemsOf(node), valuesOf(node), ...Object.values(propertiesOf(node))];
  return below.some((at) => at !== undefined && holdsKeyedList(at));
}
