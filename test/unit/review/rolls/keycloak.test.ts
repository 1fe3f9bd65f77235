import { expect } from "chai";
import { keycloakFindings } from "../../../../review/rolls/keycloak";
import { pair, workload } from "./rolls-world";

const NAMES = { release: "casa", sidecarDeployment: "casa-sidecar" };

function keycloak(
  tag: string,
  { replicas = 2, args = ["start", "--cache-stack=kubernetes"], type = "RollingUpdate" } = {},
) {
  const container = { image: `quay.io/keycloak/keycloak:${tag}`, args };
  return workload("Deployment", { replicas, container, spec: { strategy: { type } } });
}
const texts = (before: ReturnType<typeof keycloak>, after: ReturnType<typeof keycloak>) =>
  keycloakFindings([pair(before, after)], "casa", NAMES).map(({ text }) => text);

describe("a Keycloak cluster that changes its version", () => {
  it("pod by pod is named, for another minor or major, up or down", () => {
    expect(texts(keycloak("25.0.6"), keycloak("26.0.1")).join()).to.contain(
      "from Keycloak 25.0 to 26.0 by RollingUpdate",
    );
    expect(texts(keycloak("26.0.1"), keycloak("26.1.0"))).to.have.length(1);
    expect(texts(keycloak("26.0.1"), keycloak("latest")).join()).to.contain("cannot be told");
  });

  it("is in order for patches, one replica, Recreate, pods that form no cluster, and other programs", () => {
    expect(texts(keycloak("26.0.1"), keycloak("26.0.8"))).to.deep.equal([]);
    expect(texts(keycloak("26.0.1"), keycloak("26.0.1", { replicas: 3 }))).to.deep.equal([]);
    expect(texts(keycloak("25.0.6", { replicas: 1 }), keycloak("26.0.1"))).to.deep.equal([]);
    expect(texts(keycloak("25.0.6"), keycloak("26.0.1", { type: "Recreate" }))).to.deep.equal([]);
    expect(texts(keycloak("25.0.6", { args: ["start-dev"] }), keycloak("26.0.1"))).to.deep.equal([]);
    const web = (image: string) => workload("Deployment", { replicas: 2, container: { image } });
    expect(texts(web("web:1.0.0"), web("web:2.0.0"))).to.deep.equal([]);
  });

  it("may be one: that is said", () => {
    const own = (tag: string) => {
      const container = { image: `r.example/our-keycloak:${tag}`, args: ["start"] };
      return workload("Deployment", { replicas: 2, container });
    };
    expect(texts(own("1.4.0"), own("1.5.0")).join())
      .to.contain("cannot be told")
      .and.to.contain("replicas that may be a cluster");
    expect(texts(own("1.4.0"), own("1.4.1"))).to.deep.equal([]);
  });
});

describe("a Keycloak that goes back", () => {
  it("does not read the database of the newer one, however it is replaced", () => {
    const [text] = texts(keycloak("26.0.1", { replicas: 1, type: "Recreate" }), keycloak("25.0.6"));
    expect(text).to.contain("goes back from Keycloak 26.0 to 25.0");
    expect(texts(keycloak("26.1.0"), keycloak("26.0.7")).join()).to.contain("goes back from Keycloak 26.1 to 26.0");
    expect(texts(keycloak("17.0.0"), keycloak("16.1.1", { args: [] }))).to.have.length(1);
  });
  it("by a patch, or by versions of one's own, is not said to", () => {
    const single = { replicas: 1 };
    expect(texts(keycloak("26.0.7", single), keycloak("26.0.1", single))).to.deep.equal([]);
    const own = (tag: string) => workload("Deployment", { container: { image: `r.example/our-keycloak:${tag}` } });
    expect(texts(own("1.5.0"), own("1.4.0"))).to.deep.equal([]);
  });
});
