import { expect } from "chai";
import { Redactor } from "../../../kubernetes/redact";
import { otherOwner } from "../../../review/crd-owners";
import { lostTwins } from "../../../review/diff/same-key";
import { redacted } from "../../../review/redacted";
import { sampleReview } from "../../fixtures/review";

describe("lists that helm would merge wrongly", () => {
  const ports = (...list: object[]) => ({ spec: { ports: list } });
  const tcp = { name: "tcp", port: 53, protocol: "TCP" };
  const udp = { name: "udp", port: 53, protocol: "UDP" };

  /** @param made what the API server makes of helm's patch; undefined when it refuses it. */
  const said = (wanted: object[], before: object[], made: object[] | undefined) =>
    lostTwins(ports(...wanted), made && ports(...made), ports(...before)) === undefined ? "fine" : "wrong";

  // What comes of each was seen with helm 3.22 on a real API server.
  it("two items of one key, unless both are there afterwards", () => {
    const [other, third] = [
      { name: "m", port: 1 },
      { name: "a", port: 5 },
    ];
    expect(lostTwins(ports(tcp, udp), ports(tcp), ports(tcp))).to.contain(
      "two items of spec.ports have the same port (53)",
    );
    const defaulted = [tcp, udp].map((port) => ({ ...port, targetPort: 53 }));
    expect(said([tcp, udp], [tcp, udp], defaulted)).to.equal("fine");
    expect(said([third, tcp, udp], [other, tcp, udp], [third, tcp, udp])).to.equal("fine");
    expect(said([other], [other, tcp, udp], [other])).to.equal("fine");
    expect(said([udp, tcp], [tcp, udp], undefined)).to.equal("wrong");
    expect(said([tcp, { ...udp, name: "udp2" }], [tcp, udp], [tcp, udp])).to.equal("wrong");
    expect(said([tcp], [tcp, udp], [])).to.equal("wrong");
    expect(said([tcp], [tcp, udp], [tcp, udp])).to.equal("wrong");
    // A pull secret that is named twice, as global and local values do, is one.
    expect(said([tcp, tcp], [tcp], [tcp])).to.equal("fine");
    // What somebody added by hand is nothing that helm takes away.
    expect(said([tcp], [tcp], [tcp, udp])).to.equal("fine");
  });

  it("inside of containers, by the container's name; of variables of one name the last counts", () => {
    const pod = (...env: object[]) => ({
      spec: { template: { spec: { containers: [{ name: "a" }, { name: "b", env }] } } },
    });
    const [first, last] = [
      { name: "A", value: "1" },
      { name: "A", value: "2" },
    ];
    expect(lostTwins(pod(first, last), pod(first), pod(first))).to.contain("have the same name (A)");
    expect(lostTwins(pod(last), pod(), pod(first, last))).to.contain("have the same name (A)");
    expect(lostTwins(pod(first, last), pod(first, last), pod(first, last))).to.equal(undefined);
    expect(lostTwins(pod(first, last), pod(last), pod(first, last))).to.equal(undefined);
  });
});

describe("who else keeps a CRD", () => {
  const release = { name: "casa", namespace: "ns" };
  const owner = (labels: Record<string, string>, annotations: Record<string, string> = {}) =>
    otherOwner({ labels, annotations }, release);

  it("by the marks of helm, Argo CD and Flux", () => {
    const helm = (name: string) => ({ "meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": "ns" });
    expect(owner({}, helm("other"))).to.equal("helm release ns/other");
    expect(owner({}, helm("casa"))).to.equal(undefined);
    expect(owner({}, { "argocd.argoproj.io/tracking-id": "app:g/K:ns/n" })).to.equal("Argo CD application app");
    expect(owner({ "kustomize.toolkit.fluxcd.io/name": "k", "kustomize.toolkit.fluxcd.io/namespace": "f" })).to.equal(
      "Flux Kustomization f/k",
    );
    expect(owner({ app: "x" })).to.equal(undefined);
  });
});

describe("redaction", () => {
  it("hides what is quoted, and leaves what programs read, whatever a Secret holds", () => {
    const review = sampleReview();
    const words = ["update", "create", "helm", "chart", "casa", "Deployment", "accepted", "RollingUpdate", "brief"];
    const { objects, rolls } = redacted(review, new Redactor([...words, "hunter22"]));
    expect(objects.map(({ action, kind, writer, name }) => [action, kind, writer, name])).to.deep.equal(
      review.objects.map(({ action, kind, writer, name }) => [action, kind, writer, name]),
    );
    expect(rolls.map(({ downtime: { expected } }) => expected)).to.deep.equal(
      review.rolls.map(({ downtime: { expected } }) => expected),
    );
    const told = { ...review, refusals: [{ object: "a", problem: "password hunter22 is wrong", fix: "x" }] };
    expect(redacted(told, new Redactor(["hunter22"])).refusals[0]?.problem).to.equal("password [secret] is wrong");
  });
});
