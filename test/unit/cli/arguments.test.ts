import { UserError } from "../../../shared/user-error";
import { expect } from "chai";
import { parseCommand } from "../../../cli/arguments";

describe("the command line of casa-upgrade", () => {
  const target = (...args: string[]) => {
    const command = parseCommand(args);
    if (command.name === "help") throw new Error("help");
    return command.target;
  };

  it("enforces the project's own policies unless told not to", () => {
    expect(target("plan")).to.deep.equal({
      ...{ cwd: ".", stack: undefined, policyPacks: [], ownPolicies: true, policyConfig: undefined },
    });
    expect(target("up", "--no-policies").ownPolicies).to.equal(false);
    expect(target("up", "--policy-pack", "a", "--policy-pack", "b").policyPacks).to.deep.equal(["a", "b"]);
    expect(target("plan", "--policy-config", "f.json").policyConfig).to.equal("f.json");
  });

  it("history and rollback", () => {
    expect(parseCommand(["history"])).to.deep.include({ name: "history", all: false, json: false });
    expect(parseCommand(["history", "--all", "--json"])).to.deep.include({ all: true, json: true });
    expect(parseCommand(["rollback"])).to.deep.include({ to: undefined, acceptDataLoss: false, yes: false });
    expect(parseCommand(["rollback", "--to", "12", "--accept-data-loss", "-y"])).to.deep.include({
      ...{ name: "rollback", to: 12, acceptDataLoss: true, yes: true },
    });
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
    expect(refused("rollback", "--json")).to.contain("belongs to history");
    expect(refused("rollback", "--to", "v1")).to.contain("casa-upgrade history");
  });
});
