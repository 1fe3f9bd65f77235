import { expect } from "chai";
import { programResult } from "../../../sandbox/plugins/nodejs/host";
import { launchPlugin, launchProgram, type ProgramRun } from "../../../sandbox/plugins/nodejs/launch";
import { parseOptions, splitArguments } from "../../../sandbox/plugins/nodejs/options";

describe("Node language host: what it starts", () => {
  const run: ProgramRun = {
    runner: "/sdk/cmd/run",
    monitorAddress: "127.0.0.1:1",
    engineAddress: "127.0.0.1:2",
    organization: "organization",
    project: "casa",
    stack: "dev",
    rootDirectory: "/project",
    programDirectory: "/project/program",
    entryPoint: ".",
    dryRun: true,
    parallel: 16,
    args: [],
    config: { "casa:version": "1.2.3", "aws:region": "x", "casa:config:old": "y" },
    configSecretKeys: ["casa:password"],
  };

  it("splits node arguments as a shell does", () => {
    expect(splitArguments(` --import tsx  --title='a b' "c \\" d" '' `)).to.deep.equal([
      "--import",
      "tsx",
      "--title=a b",
      'c " d',
      "",
    ]);
    expect(() => splitArguments("--title 'a")).to.throw("unclosed '");
  });

  it("reads the runtime options, and names a wrong one", () => {
    expect(parseOptions(undefined)).to.deep.include({ typescript: true, nodeArgs: [] });
    expect(parseOptions({ typescript: false, nodeargs: "--import tsx", packagemanager: "npm" })).to.deep.include({
      typescript: false,
      nodeArgs: ["--import", "tsx"],
    });
    expect(() => parseOptions({ typescript: "no" })).to.throw("runtime option typescript");
  });

  it("starts a program with the engine's addresses and the configuration in the environment", () => {
    const { args, env } = launchProgram(run, parseOptions({ typescript: false, nodeargs: "--import tsx" }));
    expect(args.join(" ")).to.equal(
      "--import tsx /sdk/cmd/run --monitor 127.0.0.1:1 --engine 127.0.0.1:2 --organization organization --project casa" +
        " --root-directory /project --stack dev --pwd /project/program --parallel 16 --dry-run .",
    );
    expect(env).to.deep.equal({
      PULUMI_CONFIG: '{"casa:config:version":"1.2.3","aws:config:region":"x","casa:config:old":"y"}',
      PULUMI_CONFIG_SECRET_KEYS: '["casa:password"]',
    });
  });

  it("leaves out what is not set, and says when the SDK shall compile TypeScript", () => {
    const { args, env } = launchProgram({ ...run, organization: "", dryRun: false }, parseOptions({}));
    expect(args).not.to.include.members(["--organization", "--dry-run"]);
    expect(env).to.have.property("PULUMI_NODEJS_TYPESCRIPT", "true");
  });

  it("gives a policy pack its folder last and the stack in the environment, another plugin its folder first", () => {
    const plugin = { runner: "/sdk/run", programDirectory: "/pack", args: ["127.0.0.1:2"] };
    const stack = { organization: "", project: "casa", stack: "dev", dryRun: true, config: { "casa:a": "b" } };
    const pack = launchPlugin({ ...plugin, kind: "analyzer" }, parseOptions({ typescript: false }), stack);
    expect(pack.args).to.deep.equal(["/sdk/run", "127.0.0.1:2", "/pack"]);
    expect(pack.env).to.deep.equal({
      PULUMI_NODEJS_PROJECT: "casa",
      PULUMI_NODEJS_STACK: "dev",
      PULUMI_NODEJS_DRY_RUN: "true",
      PULUMI_CONFIG: '{"casa:a":"b"}',
    });
    const provider = launchPlugin({ ...plugin, kind: "resource" }, parseOptions({}));
    expect(provider.args).to.deep.equal(["/sdk/run", "/pack", "127.0.0.1:2"]);
  });

  it("asks the engine to stop without a word when the program has reported its error", () => {
    expect(programResult(0).toObject()).to.deep.equal({ error: "", bail: false });
    expect(programResult(32).toObject()).to.deep.equal({ error: "", bail: true });
    expect(programResult(7).getError()).to.contain("exit code: 7");
  });
});
