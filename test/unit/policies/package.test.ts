import { readdirSync, readFileSync } from "node:fs";
import { builtinModules } from "node:module";
import { join } from "node:path";
import { expect } from "chai";
import { ensureBundles } from "../../../bundle/load.cjs";

describe("the pack as a package", () => {
  const folder = join(__dirname, "../../../policies");
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
    "dependencies" | "devDependencies",
    Record<string, string>
  >;

  it("as it is published: its bundle needs what its package.json says, and nothing else", () => {
    ensureBundles();
    const text = readFileSync(join(folder, "dist/index.cjs"), "utf8");
    const needed = [...text.matchAll(/\brequire\("([^"]+)"\)/g)].map(([, name = ""]) => name);
    expect(needed).to.include("@pulumi/policy");
    const others = needed.filter((name) => !name.startsWith("node:") && !builtinModules.includes(name));
    for (const name of others) expect(dependencies, name).to.have.property(name);
  });

  it("needs nothing outside of its folder but what its package.json names", () => {
    const root = JSON.parse(readFileSync(join(folder, "../package.json"), "utf8")) as Record<
      string,
      Record<string, string>
    >;
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".ts"))) {
      const text = readFileSync(join(folder, file), "utf8");
      for (const [, from = ""] of text.matchAll(/(?:from |import\(|require\(|\)\()"([^"]+)"/g)) {
        const packageName = from
          .split("/")
          .slice(0, from.startsWith("@") ? 2 : 1)
          .join("/");
        const isInstalled = packageName in dependencies || packageName in devDependencies;
        const isFine = /^\.\/[a-z-]+$/.test(from) || from.startsWith("node:") || isInstalled;
        expect(isFine, `${file} imports ${from}`).to.equal(true);
      }
    }
    const pinned = { ...root["dependencies"], ...root["devDependencies"] };
    for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies }))
      expect(pinned[name], name).to.equal(version);
  });
});
