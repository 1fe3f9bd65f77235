import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { inWordsFor, loadArguments } from "../../../config/arguments";

const REQUIRED = { context: "c", chart: "oci://example.com/casa-runtime", version: "1.0.0" };

/** What resources are given, with each secret in it replaced. */
async function shown(value: unknown): Promise<unknown> {
  if (pulumi.Output.isInstance(value)) return (await pulumi.isSecret(value)) ? "[secret]" : "[output]";
  if (typeof value !== "object" || value === null) return value;
  const entries = await Promise.all(Object.entries(value).map(async ([key, at]) => [key, await shown(at)] as const));
  return Object.fromEntries(entries);
}

async function failure(args: Parameters<typeof loadArguments>[0]): Promise<string> {
  const error: unknown = await loadArguments(args).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Error ? error.message : "it did not fail";
}

describe("arguments of the component", () => {
  it("are checked as the configuration is, with its messages", async () => {
    const { config } = await loadArguments({ ...REQUIRED, restarts: { maxConcurrent: "25%" }, mode: undefined });
    expect(config.restarts.maxConcurrent).to.equal("25%");
    expect(config.mode).to.equal("istio");
    expect(await failure({ ...REQUIRED, restartz: {} })).to.contain('the nearest one is "restarts"');
    expect(await failure({ ...REQUIRED, restarts: { maxConcurrent: 0 } })).to.contain("restarts.maxConcurrent: is 0");
    expect(await failure({ chart: "oci://example.com/casa" })).to.contain("- context: is not set");
  });

  it("may be outputs and promises, at any depth", async () => {
    const { config, values } = await loadArguments({
      ...REQUIRED,
      context: pulumi.output("from-output"),
      namespace: Promise.resolve("from-promise"),
      values: { a: { b: pulumi.output(["x"]) }, list: [pulumi.output(1), 2] },
      restarts: pulumi.output({ workloads: ["mas/planner"] }),
    });
    expect([config.context, config.namespace]).to.deep.equal(["from-output", "from-promise"]);
    expect(values).to.deep.equal({ a: { b: ["x"] }, list: [1, 2] });
    expect(config.restarts.workloads).to.deep.equal([{ namespace: "mas", name: "planner" }]);
  });

  it("hide exactly what is secret, and all of secretValues", async () => {
    const { values, programValues, secretPart } = await loadArguments({
      ...REQUIRED,
      values: { plain: 1, auth: { user: "u", password: pulumi.secret("p") }, list: [pulumi.secret("q")] },
      secretValues: { postgres: { password: "r" } },
    });
    expect(values).to.deep.equal({
      ...{ plain: 1, auth: { user: "u", password: "p" }, list: ["q"], postgres: { password: "r" } },
    });
    expect(secretPart).to.deep.equal({ auth: { password: "p" }, list: ["q"], postgres: { password: "r" } });
    expect(await shown(programValues)).to.deep.equal({
      ...{ plain: 1, auth: { user: "u", password: "[secret]" }, list: "[secret]" },
      postgres: { password: "[secret]" },
    });
  });

  it("never show a secret in a message, whatever key it belongs to", async () => {
    const message = await failure({ ...REQUIRED, mode: pulumi.secret("hidden-mode") });
    expect(message).to.contain("- mode: is [secret]").and.not.contain("hidden-mode");
  });

  it("that fail, fail the upgrade", async () => {
    const broken = pulumi.output(Promise.reject(new Error("no such thing")));
    expect(await failure({ ...REQUIRED, context: broken })).to.equal("no such thing");
  });

  it("that a preview cannot know are refused by name: nobody could review the upgrade", async () => {
    pulumi.runtime.setAllConfig({});
    const unknown = pulumi.output(pulumi.unknown as unknown as string);
    const message = await failure({ ...REQUIRED, values: { auth: { password: unknown } } });
    expect(message).to.contain("values.auth.password is not known in this preview");
  });

  it("get messages that say what to do in a program; those of the configuration stay as they are", () => {
    const words = inWordsFor("casa-eu", REQUIRED);
    expect(words("broken.\n    Fix: pulumi config set mode istio")).to.contain('CasaUpgrade "casa-eu"');
    expect(words("the cluster is down")).to.equal("the cluster is down");
  });
});
