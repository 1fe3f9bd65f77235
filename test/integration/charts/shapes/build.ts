import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Shape } from "./shape";

/** Name of a shape as a file name. */
function slug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
}

function write(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
}

/** Writes the two versions of one chart that has all shapes in it. */
export function buildCharts(shapes: readonly Shape[], into: string): { before: string; after: string } {
  const side = (
    folder: string,
    version: string,
    text: (shape: Shape) => string | undefined,
    more: (shape: Shape) => Shape["files"],
  ) => {
    const root = join(into, folder);
    const dependencies = "dependencies: [{name: spare, version: 1.0.0, condition: spare.enabled}]\n";
    const files = shapes.flatMap((shape) => Object.entries(more(shape) ?? {}));
    const hasSpare = files.some(([path]) => path.startsWith("charts/spare/"));
    write(root, { "Chart.yaml": `apiVersion: v2\nname: shapes\nversion: ${version}\n${hasSpare ? dependencies : ""}` });
    for (const shape of shapes) {
      const template = text(shape);
      if (template !== undefined) write(root, { [`templates/${slug(shape.name)}.yaml`]: template });
    }
    write(root, Object.fromEntries(files));
    return root;
  };
  return {
    before: side(
      "before",
      "0.1.0",
      ({ before }) => before,
      ({ filesBefore }) => filesBefore,
    ),
    after: side(
      "after",
      "0.2.0",
      ({ after }) => after,
      ({ files }) => files,
    ),
  };
}
