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
