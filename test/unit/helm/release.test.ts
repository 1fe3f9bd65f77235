import { gzipSync } from "node:zlib";
import { expect } from "chai";
import { decodeRelease, releaseProblem, type ReleaseState, releaseWarning, type Revision } from "../../../helm/release";

function state(...statuses: string[]): ReleaseState {
  const revisions = statuses.map((status, i): Revision => ({
    revision: i + 1,
    status,
    chartName: "casa-runtime",
    chartVersion: `0.${i + 1}.0`,
    appVersion: undefined,
    description: "context deadline exceeded",
    deployedAt: "",
    config: {},
    manifest: "",
    crdFiles: [],
    hooks: [],
    defaults: {},
    recordKey: Buffer.alloc(32),
  }));
  return { name: "casa", namespace: "ns", revisions, latest: revisions.at(-1) as Revision };
}

describe("helm release", () => {
  it("nothing stands in the way of an upgrade, also after a failed one or a failed first install", () => {
    for (const statuses of [["deployed"], ["superseded", "failed"], ["failed"], ["superseded"]]) {
      expect(releaseProblem(state(...statuses), "ctx"), statuses.join()).to.equal(undefined);
    }
    expect(releaseWarning(state("deployed"), "prod")).to.equal(undefined);
    expect(releaseWarning(state("deployed", "failed"), "prod"))
      .to.contain("revision 2")
      .and.contain("context deadline exceeded")
      .and.contain("helm rollback casa 1 --namespace ns --kube-context prod");
    expect(releaseWarning(state("failed"), "prod"))
      .to.contain("revision 1")
      .and.not.to.contain("helm rollback");
  });

  for (const pending of ["pending-upgrade", "pending-rollback"]) {
    it(`${pending}: roll back to the last revision that was deployed`, () => {
      const problem = releaseProblem(state("superseded", "deployed", "failed", pending), "ctx");
      expect(problem?.problem).to.contain(`ns/casa is stuck in ${pending} (revision 4)`);
      expect(problem?.fix).to.contain("helm rollback casa 2 --namespace ns --kube-context ctx");
    });
  }

  it("pending-install: there is nothing to go back to", () => {
    const problem = releaseProblem(state("pending-install"), "ctx");
    expect(problem?.fix)
      .to.contain("helm uninstall casa --namespace ns --kube-context ctx")
      .and.not.contain("rollback");
  });

  it("a release that is being removed, or was", () => {
    expect(releaseProblem(state("deployed", "uninstalling"), "ctx")?.fix).to.contain("helm uninstall casa");
    const problem = releaseProblem(state("superseded", "uninstalled"), "ctx");
    expect(problem?.fix).to.contain("helm rollback casa 2 ").and.contain("helm uninstall casa");
  });

  it("a state that nobody knows", () => {
    expect(releaseProblem(state("deployed", "unknown"), "ctx")?.fix)
      .to.contain("helm history")
      .and.contain("helm rollback casa 1");
  });

  it("decodes records, gzipped and not", () => {
    const record = { version: 3, info: { status: "deployed" }, chart: { metadata: { name: "c", version: "1.0.0" } } };
    const wrap = (inner: Buffer) => Buffer.from(inner.toString("base64")).toString("base64");
    for (const inner of [gzipSync(JSON.stringify(record)), Buffer.from(JSON.stringify(record))]) {
      expect(decodeRelease("s", wrap(inner))).to.deep.include({ version: 3, manifest: "" });
    }
  });

  it("a damaged record is named, its content is not shown", () => {
    const text = Buffer.from(Buffer.from('{"password":"s3cret"').toString("base64")).toString("base64");
    expect(() => decodeRelease("sh.helm.release.v1.casa.v4", text)).to.throw(
      /sh\.helm\.release\.v1\.casa\.v4 is damaged/,
    );
    expect(() => decodeRelease("x", text)).not.to.throw(/s3cret/);
    const wrong = Buffer.from(Buffer.from('{"version":"s3cret"}').toString("base64")).toString("base64");
    expect(() => decodeRelease("the-record", wrong)).to.throw(/the-record.*version: /);
  });
});
