import { UserError } from "../../../shared/user-error";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parseCommand } from "../../../cli/arguments";

describe("the command line of casa-upgrade", () => {
  const target = (...args: string[]) => {
    const command = parseCommand(args);
    if ("text" in command) throw new Error(command.name);
    return command.target;
  };

  it("enforces the project's own policies unless told not to", () => {
    expect(target("plan")).to.deep.equal({
      ...{ cwd: ".", stack: undefined, policyPacks: [], ownPolicies: true, policyConfig: undefined, json: false },
    });
    expect(target("up", "--no-policies").ownPolicies).to.equal(false);
    expect(target("up", "--policy-pack", "a", "--policy-pack", "b").policyPacks).to.deep.equal(["a", "b"]);
    expect(target("plan", "--policy-config", "f.json").policyConfig).to.equal("f.json");
  });

  it("history and rollback", () => {
    expect(parseCommand(["history"])).to.deep.include({ name: "history", all: false });
    expect(parseCommand(["history", "--all"])).to.deep.include({ all: true });
    expect(parseCommand(["rollback"])).to.deep.include({ to: undefined, acceptDataLoss: false, yes: false });
    expect(parseCommand(["rollback", "--to", "12", "--accept-data-loss", "-y"])).to.deep.include({
      ...{ name: "rollback", to: 12, acceptDataLoss: true, yes: true },
    });
  });

  it("every command has --json, before or after its name, and help", () => {
    const more: Record<string, string[]> = { restore: ["--database", "auth"], permissions: ["--role", "review"] };
    for (const name of ["plan", "up", "history", "rollback", "restore", "permissions"]) {
      expect(target(name, "--json", ...(more[name] ?? [])).json, name).to.equal(true);
      expect(target("--json", name, ...(more[name] ?? [])).json, name).to.equal(true);
      for (const words of [
        [name, "--help"],
        ["help", name],
      ]) {
        expect(parseCommand(words))
          .to.have.property("text")
          .that.matches(new RegExp(`^Usage: casa-upgrade ${name} `));
      }
    }
  });

  it("docs/cli.md names every command and every option", () => {
    const text = readFileSync(join(__dirname, "../../../docs/cli.md"), "utf8");
    const help = ["plan", "up", "history", "rollback", "restore", "permissions", "completion"].map((name) => {
      expect(text, name).to.contain(`casa-upgrade ${name}`);
      const command = parseCommand([name, "--help"]);
      return "text" in command ? command.text : "";
    });
    for (const [flag] of help.join("\n").matchAll(/--[a-z-]+/g)) expect(text, flag).to.contain(flag);
  });

  it("refuses what does not go together or is not known, and says what to type", () => {
    const refused = (...args: string[]) => {
      try {
        parseCommand(args);
      } catch (error) {
        expect(error).to.be.instanceOf(UserError);
        return (error as Error).message;
      }
      throw new Error("accepted");
    };
    expect(refused("plan", "--policy-config", "f.json", "--no-policies")).to.contain("--no-policies");
    expect(refused("plna")).to.contain("casa-upgrade plan");
    expect(refused("plan", "--plan", "x")).to.contain("casa-upgrade up --plan FILE");
    expect(refused("up", "--out", "x")).to.contain("casa-upgrade plan --out DIR");
    expect(refused("plan", "more")).to.contain('"more"');
    expect(refused("plan", "--polices")).to.contain("--help");
    expect(refused("up", "--accept-data-loss")).to.contain("belongs to rollback");
    expect(refused("rollback", "--all")).to.contain("belongs to history");
    expect(refused("permissions")).to.contain("--role review");
    expect(refused("permissions", "--role", "owner")).to.contain("review, upgrade");
    expect(refused("completion", "tcsh")).to.contain("bash, zsh, fish");
    expect(refused("rollback", "--to", "v1")).to.contain("casa-upgrade history");
  });
});
