/** What a chart renders before and after, as template text; whatever is left out is not there. */
export interface Shape {
  /** What is special about it, in words. */
  readonly name: string;
  readonly before?: string;
  readonly after?: string;
  /** Objects that somebody else made before the upgrade, as YAML; `NS` is the release's namespace. */
  readonly live?: string;
  /** What somebody does by hand after the install: arguments of kubectl, the namespace is added. */
  readonly byHand?: readonly string[];
  /** Values of the upgrade. */
  readonly values?: Record<string, unknown>;
  /** Files of the new chart besides the template, by path. */
  readonly files?: Readonly<Record<string, string>>;
  /** The same of the installed chart. */
  readonly filesBefore?: Readonly<Record<string, string>>;
}

/** A ConfigMap in one line, for shapes in which the kind does not matter. */
export function configMap(name: string, data: string, metadata = ""): string {
  return `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}${metadata}}\ndata: {${data}}\n`;
}

/** A pod template that starts at once. */
export const POD = "{restartPolicy: Always, containers: [{name: main, image: registry.example/main:1}]}";

/** A Deployment; `spec` is what its spec has besides selector and template. */
export function deployment(
  name: string,
  { spec = "replicas: 1", template = "", container = "image: registry.example/main:1", pod = "" } = {},
): string {
  return `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  selector: {matchLabels: {app: ${name}}}
  ${spec}
  template:
    metadata: {labels: {app: ${name}}${template}}
    spec: {${pod}containers: [{name: main, ${container}}]}
`;
}

/** Several objects of one file. */
export function join(...documents: string[]): string {
  return documents.join("---\n");
}

/** The same template before and after: what changes is what the release and the cluster make of it. */
export function again(name: string, text: string, more: Partial<Shape> = {}): Shape {
  return { name, before: text, after: text, ...more };
}
