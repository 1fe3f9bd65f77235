import { dig, digList, isMap } from "./objects";

/** A selector as Kubernetes reads it; an empty one selects every pod of the namespace, a missing one none. */
export function selects(selector: unknown, labels: Readonly<Record<string, unknown>>): boolean {
  if (!isMap(selector)) return false;
  const wanted = Object.entries(isMap(selector["matchLabels"]) ? selector["matchLabels"] : {});
  return (
    wanted.every(([key, value]) => labels[key] === value) &&
    digList(selector, "matchExpressions").every((rule) => meets(rule, labels))
  );
}

function meets(rule: unknown, labels: Readonly<Record<string, unknown>>): boolean {
  const value = labels[String(dig(rule, "key"))];
  const values = digList(rule, "values");
  switch (dig(rule, "operator")) {
    case "In":
      return value !== undefined && values.includes(value);
    case "NotIn":
      return value === undefined || !values.includes(value);
    case "Exists":
      return value !== undefined;
    case "DoesNotExist":
      return value === undefined;
    default:
      return false;
  }
}

/**
 * The changes to labels by which a selector selects them, as `kubectl label` takes them: `key=value`, or `key-` to take
 * one away. None where it does already.
 */
export function labelsToSelect(selector: unknown, labels: Readonly<Record<string, unknown>>): string[] {
  const exact = dig(selector, "matchLabels");
  const wanted = Object.entries(isMap(exact) ? exact : {}).flatMap(([key, value]) =>
    labels[key] === value ? [] : [`${key}=${String(value)}`],
  );
  const rules = digList(selector, "matchExpressions").flatMap((rule) => {
    if (selects({ matchExpressions: [rule] }, labels)) return [];
    const key = String(dig(rule, "key"));
    const [first] = digList(rule, "values");
    if (dig(rule, "operator") === "In") return [`${key}=${String(first)}`];
    return [dig(rule, "operator") === "Exists" ? `${key}=true` : `${key}-`];
  });
  return [...new Set([...wanted, ...rules])];
}
