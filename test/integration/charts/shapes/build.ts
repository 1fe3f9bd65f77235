import { join } from "node:path";
import { writeFiles } from "../../../fixtures/write-files";
import type { Shape } from "./shape";

/** Name of a shape as a file name. */
function slug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-");
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
    writeFiles(root, {
      "Chart.yaml": `apiVersion: v2\nname: shapes\nversion: ${version}\n${hasSpare ? dependencies : ""}`,
    });
    for (const shape of shapes) {
      const template = text(shape);
      if (template !== undefined) writeFiles(root, { [`templates/${slug(shape.name)}.yaml`]: template });
    }
    writeFiles(root, Object.fromEntries(files));
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
