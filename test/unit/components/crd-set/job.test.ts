import { expect } from "chai";
import { pack, unpack } from "../../../../components/crd-set/job";
import { type Crd, isLarge } from "../../../../crds/crds";
import { crdResources } from "../../../../upgrade/crd-resources";
import { crd, large, live, outcomeOf } from "../../upgrade/situation";

describe("large CRDs", () => {
  const one = large(crd("systems")) as Crd;

  it("are told from others by their size", () => {
    expect([one, crd("systems") as Crd].map(isLarge)).to.deep.equal([true, false]);
  });

  it("are written by a command, whether they exist or not, unless they are resources of the stack", () => {
    const situation = {
      chart: {
        crds: [large(crd("systems")), large(crd("traces"))].map((object) => ({ source: "crds/a.yaml", object })),
      },
      liveCrds: [live(crd("traces"))],
    };
    const write = "write systems.casa.io, write traces.casa.io";
    expect(outcomeOf(situation).crds).to.equal(write);
    const before = { ...situation, crdResources: ["traces.casa.io"] };
    expect(outcomeOf(before).crds).to.equal(write.replace("write traces", "adopt traces"));
  });

  it("reach the command packed, and come out as they were", () => {
    const text = pack([one]);
    expect(text.length).to.be.lessThan(JSON.stringify(one).length / 10);
    expect(unpack(text)).to.deep.equal([one]);
    expect(unpack(pack([]))).to.deep.equal([]);
  });

  it("a text that is not one of those is refused", () => {
    expect(() => unpack("c2VjcmV0")).to.throw(/incorrect header/);
    expect(() => unpack(pack([{ ...one, kind: "Secret" } as unknown as Crd]))).to.throw("systems.casa.io is no CRD");
  });

  it("that are resources of the stack are found by what they are called there", () => {
    const urn = (name: string) =>
      `urn:pulumi:s::p::x$kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition::${name}`;
    const state = { outputs: { [urn("a.casa.io")]: {}, [urn("other-b.casa.io")]: {} } };
    const found = (called: (name: string) => string) => [...crdResources(state, ["a.casa.io", "b.casa.io"], called)];
    expect(found((name) => name)).to.deep.equal(["a.casa.io"]);
    expect(found((name) => `other-${name}`)).to.deep.equal(["b.casa.io"]);
  });

  it("all count as resources where the engine does not say", () => {
    expect([...crdResources(undefined, ["a.casa.io"], String)]).to.deep.equal(["a.casa.io"]);
  });
});
