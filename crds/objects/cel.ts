import { isMap } from "../../kubernetes/objects";
import { type Rule, readsOldSelf, RuleCompiler } from "./cel-rule";
import { asRoot, celValue } from "./cel-values";
import {
  childPath,
  isEmbedded,
  itemsOf,
  member,
  pathOf,
  propertiesOf,
  type SchemaNode,
  type Step,
  stepTo,
  valuesOf,
} from "./structural";

/** What the CEL rules of a schema say about an object. */
export interface CelResult {
  rejected: string[];
  unchecked: string[];
}

/** The rules at one place of the schema, and below. */
interface Rules {
  /** Place in the schema: `spec.parts[].weight`. */
  path: string;
  node: SchemaNode;
  own: Rule[];
  /** Why a rule here cannot be evaluated. */
  unchecked: string[];
  properties: Readonly<Record<string, Rules>>;
  items: Rules | undefined;
  values: Rules | undefined;
}

/**
 * Evaluates x-kubernetes-validations. Rules over the old object (`oldSelf`) judge changes and have nothing to say about
 * an object that is there, unless they are made for objects without an old one (optionalOldSelf). What cannot be
 * evaluated here (Kubernetes' own functions for URLs, quantities, addresses and so on) is told as unchecked for each
 * object that the rule is about, never taken as passed. Source: apiextensions-apiserver 1.34, pkg/apiserver/schema/cel.
 */
export class CelRules {
  private readonly compiler = new RuleCompiler();
  private readonly root: Rules | undefined;

  constructor(schema: SchemaNode) {
    this.root = this.compile(asRoot(schema), "");
  }

  check(object: unknown): CelResult {
    const result: CelResult = { rejected: [], unchecked: [] };
    this.walk(object, this.root, undefined, result);
    return { rejected: result.rejected, unchecked: [...new Set(result.unchecked)] };
  }

  /** Undefined where there is no rule, so that checking passes over it. Branches such as allOf may not have any. */
  private compile(given: SchemaNode, path: string): Rules | undefined {
    const node = isEmbedded(given) ? asRoot(given) : given;
    const unchecked: string[] = [];
    const own = rulesOf(node).flatMap((rule) => this.compileRule(rule, node, path, unchecked));
    const properties = Object.entries(propertiesOf(node)).flatMap(([key, at]) => {
      const below = this.compile(at, childPath(path, key));
      return below ? [[key, below] as const] : [];
    });
    const [listItems, mapValues] = [itemsOf(node), valuesOf(node)];
    const items = listItems && this.compile(listItems, `${path}[]`);
    const values = mapValues && this.compile(mapValues, `${path}.*`);
    if (own.length + unchecked.length + properties.length === 0 && !items && !values) return undefined;
    return { path, node, own, unchecked, properties: Object.fromEntries(properties), items, values };
  }

  private compileRule(rule: Record<string, unknown>, node: SchemaNode, path: string, unchecked: string[]): Rule[] {
    const text = rule["rule"];
    if (typeof text !== "string" || text.trim() === "") return [];
    if (readsOldSelf(text) && rule["optionalOldSelf"] !== true) return [];
    const given = rule["message"];
    const message = typeof given === "string" && given !== "" ? given.trim() : `breaks the rule ${text.trim()}`;
    try {
      return [this.compiler.compile(text, message, node)];
    } catch (error) {
      unchecked.push(unevaluated(path, text, error instanceof Error ? error.message : String(error)));
      return [];
    }
  }

  private walk(value: unknown, rules: Rules | undefined, step: Step | undefined, result: CelResult): void {
    if (rules === undefined || value === null || value === undefined) return;
    result.unchecked.push(...rules.unchecked);
    if (rules.own.length > 0) {
      const self = celValue(value, rules.node, this.compiler.duration);
      for (const rule of rules.own) apply(rule, self, rules.path, step, result);
    }
    if (Array.isArray(value)) value.forEach((item, i) => this.walk(item, rules.items, stepTo(step, i), result));
    else if (isMap(value)) {
      for (const [key, at] of Object.entries(value)) {
        const below = (member(rules.properties, key) as Rules | undefined) ?? rules.values;
        this.walk(at, below, stepTo(step, key), result);
      }
    }
  }
}

function apply(rule: Rule, self: unknown, path: string, step: Step | undefined, result: CelResult): void {
  const verdict = rule.evaluate(self);
  if (verdict === "broken") result.rejected.push(`${pathOf(step) || "the object"}: ${rule.message}`);
  else if (verdict !== "holds") result.unchecked.push(unevaluated(path, rule.text, verdict.unchecked));
}

function unevaluated(path: string, text: string, why: string): string {
  return `${path || "the object"}: rule ${text.trim().replace(/\s+/g, " ")}: ${why}`;
}

function rulesOf(node: SchemaNode): Record<string, unknown>[] {
  const given: unknown = node["x-kubernetes-validations"];
  return Array.isArray(given) ? given.filter(isMap) : [];
}
