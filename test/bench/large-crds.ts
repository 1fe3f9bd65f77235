import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import type { World } from "../integration/world/world";

const CRDS = 10;
/** Bytes of one CRD as YAML, about. */
const BYTES = 500_000;

/**
 * A chart with ten CRDs of half a megabyte each, in two versions that differ in a field of each CRD.
 *
 * @returns the folder of either version.
 */
export function largeCrdChart(world: World, version: "0.1.0" | "0.2.0"): string {
  const folder = join(world.scratch, `large-${version}`);
  mkdirSync(join(folder, "crds"), { recursive: true });
  mkdirSync(join(folder, "templates"));
  writeFileSync(join(folder, "Chart.yaml"), `apiVersion: v2\nname: large\nversion: ${version}\n`);
  writeFileSync(
    join(folder, "templates/a.yaml"),
    `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: large}\ndata: {version: "${version}"}\n`,
  );
  for (let i = 0; i < CRDS; i++) writeFileSync(join(folder, `crds/thing${i}.yaml`), stringify(crd(i, version)));
  return folder;
}

function crd(i: number, version: string): object {
  const field = (name: string) => ({
    type: "object",
    description: `What ${name} is for, in the words of its author, who wrote more about it than most people read.`,
    properties: {
      enabled: { type: "boolean", description: `Whether ${name} counts.` },
      size: { type: "integer", minimum: 0, maximum: 1000, description: `How large ${name} is.` },
      names: { type: "array", items: { type: "string", maxLength: 63 }, description: `Names of ${name}.` },
    },
  });
  const size = stringify(field("field0000")).length * 1.6;
  const count = Math.floor(BYTES / size);
  const fields = Array.from({ length: count }, (_, n) => `field${String(n).padStart(4, "0")}`);
  if (version === "0.2.0") fields.push("added");
  const spec = { type: "object", properties: Object.fromEntries(fields.map((name) => [name, field(name)])) };
  const [kind, plural] = [`Thing${i}`, `thing${i}s`];
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: `${plural}.large.example` },
    spec: {
      group: "large.example",
      scope: "Namespaced",
      names: { plural, singular: `thing${i}`, kind, listKind: `${kind}List` },
      versions: [
        {
          name: "v1",
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: "object", properties: { spec } } },
        },
      ],
    },
  };
}
