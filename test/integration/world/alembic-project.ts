import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./world";

/** A step as its author writes it: what it comes after, its title, and the Python of its `upgrade`. */
export interface Step {
  id: string;
  after?: string;
  title?: string;
  does: string;
}

/** A folder with migrations, as an image of the auth service has them. @returns how the container's command begins. */
export function alembicProject(scratch: string, steps: readonly Step[]): string {
  const dir = mkdtempSync(join(scratch, "alembic-"));
  mkdirSync(join(dir, "versions"));
  copyFileSync(join(ROOT, "test/fixtures/alembic/env.py"), join(dir, "env.py"));
  writeFileSync(join(dir, "alembic.ini"), "[alembic]\nscript_location = %(here)s\npath_separator = os\n");
  for (const { id, after, title = `step ${id}`, does } of steps) {
    const lines = [
      `"""${title}"""`,
      "import sqlalchemy as sa",
      "from alembic import op",
      `revision = "${id}"`,
      `down_revision = ${after === undefined ? "None" : `"${after}"`}`,
      "def upgrade():",
      ...does.split("\n").map((line) => `    ${line}`),
    ];
    writeFileSync(join(dir, "versions", `${id}.py`), `${lines.join("\n")}\n`);
  }
  return `alembic -c ${dir}/alembic.ini`;
}
