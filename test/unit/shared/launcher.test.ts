import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { launcher } from "../../../shared/launcher";

describe("the file that starts helper programs", () => {
  let base: string;
  const folder = (...path: string[]) => {
    const made = join(base, ...path);
    mkdirSync(made, { recursive: true });
    return made;
  };

  beforeEach(() => (base = realpathSync(mkdtempSync(join(tmpdir(), "launcher-")))));
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it("in this project's own checkout, as stacks have it on record", () => {
    const root = folder("casa-upgrade");
    expect(launcher({ cwd: root, root })).to.equal("bundle/program.cjs");
  });

  it("in the program's node_modules", () => {
    const root = folder("app/node_modules/casa-upgrade");
    expect(launcher({ cwd: join(base, "app"), root })).to.equal("node_modules/casa-upgrade/bundle/program.cjs");
  });

  it("in node_modules above, as npm's workspaces have it", () => {
    const root = folder("repository/node_modules/casa-upgrade");
    const cwd = folder("repository/infrastructure/casa");
    expect(launcher({ cwd, root })).to.equal("../../node_modules/casa-upgrade/bundle/program.cjs");
  });

  it("by the link that pnpm makes, which has no version in it", () => {
    const root = folder("app/node_modules/.pnpm/casa-upgrade@0.2.0/node_modules/casa-upgrade");
    symlinkSync(root, join(base, "app/node_modules/casa-upgrade"));
    expect(launcher({ cwd: join(base, "app"), root })).to.equal("node_modules/casa-upgrade/bundle/program.cjs");
  });

  it("in another folder, relative to the program", () => {
    const root = folder("tools/casa-upgrade");
    expect(launcher({ cwd: folder("app"), root })).to.equal("../tools/casa-upgrade/bundle/program.cjs");
  });

  it("not by an installed package that is another one", () => {
    folder("app/node_modules/casa-upgrade");
    const root = folder("tools/casa-upgrade");
    expect(launcher({ cwd: join(base, "app"), root })).to.equal("../tools/casa-upgrade/bundle/program.cjs");
  });

  it("among the engine's plugins, wherever a machine has those", () => {
    const plugins = folder("home/.pulumi/plugins");
    const root = folder("home/.pulumi/plugins/resource-casa-upgrade-v0.2.0");
    expect(launcher({ cwd: folder("app"), root, plugins })).to.equal(
      '"${PULUMI_HOME:-$HOME/.pulumi}"/plugins/resource-casa-upgrade-v0.2.0/bundle/program.cjs',
    );
  });

  it("with what a shell would read otherwise", () => {
    const root = folder("my tools/casa-upgrade");
    expect(launcher({ cwd: folder("app"), root })).to.equal("'../my tools/casa-upgrade/bundle/program.cjs'");
  });
});
