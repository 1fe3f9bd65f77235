import { expect } from "chai";
import { LABELS, newImage, object, pair, plan, type Shape, workload } from "./rolls-world";

const service = (selector: object, targetPort: string | number = 80, port = 80) =>
  object("Service", "web", { spec: { selector, ports: [{ port, targetPort }] } });
const ports = (containerPort: number, name?: string) => ({
  container: {
    image: `r.example/web:${containerPort}${name ?? ""}`,
    ports: [{ containerPort, ...(name ? { name } : {}) }],
  },
});
const labels = (more: object) => ({ labels: { ...LABELS, ...more } });

/** What three replicas and a Service become: the downtime told, and what else is said. */
function upgraded(before: Shape, after: Shape, old: object, next: object = old) {
  const three = {
    replicas: 3,
    spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } },
  };
  const pairs = [
    pair(workload("Deployment", { ...three, ...before }), workload("Deployment", { ...three, ...after })),
    ...(old === next ? [] : [pair(old as never, next as never)]),
  ];
  const { rolls, services } = plan(
    pairs,
    old === next ? { predicted: [...pairs.map(({ after: one }) => one!), next as never] } : {},
  );
  return { downtime: rolls[0]?.downtime, services };
}

describe("Services of workloads that roll", () => {
  it("go on leading to old pods and new ones: no downtime", () => {
    const cases: [Shape, Shape, object, object?][] = [
      [{}, newImage, service(LABELS)],
      [ports(80), { ...ports(80), ...newImage, container: { ...ports(80).container, image: "x:2" } }, service(LABELS)],
      [ports(80, "http"), ports(8080, "http"), service(LABELS, "http")],
      [{ metadata: labels({ a: "1" }) }, { metadata: labels({ a: "2" }) }, service(LABELS)],
      // Nobody has to declare a number.
      [ports(80), newImage, service(LABELS)],
      [{}, ports(8080), service(LABELS, 8080)],
    ];
    for (const [before, after, old, next] of cases) {
      const { downtime, services } = upgraded(before, after, old, next);
      expect(downtime?.expected, JSON.stringify(after)).to.equal("none");
      expect(services).to.deep.equal([]);
    }
  });

  it("change their selector with the labels: nothing serves until new pods are ready", () => {
    const { downtime, services } = upgraded(
      {},
      { metadata: labels({ tier: "a" }) },
      service(LABELS),
      service({ ...LABELS, tier: "a" }),
    );
    expect(downtime).to.deep.equal({
      expected: "until-ready",
      why: "Service casa/web selects none of the pods that run (app=web, tier=a), and new ones are not ready yet",
    });
    expect(services).to.deep.equal([]);
  });

  it("change their port with the container's: so it is", () => {
    for (const [before, after, old, next] of [
      [ports(80), ports(8080), service(LABELS, 80), service(LABELS, 8080)],
      [ports(80, "http"), ports(80, "web"), service(LABELS, "http"), service(LABELS, "web")],
    ] as const) {
      const { downtime } = upgraded(before, after, old, next);
      expect(downtime?.expected).to.equal("until-ready");
      expect(downtime?.why).to.contain("which the pods that run do not have");
    }
  });

  it("lead nowhere afterwards: told, whatever rolls", () => {
    for (const [before, after, old, next, why] of [
      [{}, newImage, service(LABELS), service({ app: "other" }), "selects no pods of the release any more (app=other)"],
      [
        { metadata: labels({ a: "1" }) },
        { metadata: labels({ a: "2" }) },
        service({ a: "1" }),
        undefined,
        "selects no pods",
      ],
      [
        ports(80, "http"),
        ports(80, "web"),
        service(LABELS, "http"),
        undefined,
        "leads from port 80 to port http, which pods of Deployment/casa/web do not have",
      ],
    ] as const) {
      const { services } = upgraded(before, after, old, next);
      expect(services).to.have.length(1);
      expect(services[0]).to.contain(why).and.to.contain("nothing is behind it after the upgrade");
    }
  });

  it("turn to a workload that takes another one's place: until its pods are ready", () => {
    const renamed = {
      ...workload("Deployment", { metadata: { labels: { app: "next" } } }),
      metadata: { name: "next", namespace: "casa" },
    };
    const { services } = plan([
      pair(workload("Deployment"), undefined),
      pair(undefined, renamed),
      pair(service(LABELS), service({ app: "next" })),
    ]);
    expect(services).to.deep.equal([
      "Service casa/web selects none of the pods that run (app=next): nothing is behind it until pods of Deployment/casa/next are ready",
    ]);
  });

  it("that led nowhere before, or have no selector, are nobody's business", () => {
    const none = object("Service", "web", { spec: { ports: [{ port: 80 }] } });
    for (const [old, next] of [
      [service({ app: "gone" }), service({ app: "too" })],
      [none, service({ app: "x" })],
      [service(LABELS), none],
    ] as const) {
      expect(upgraded({}, newImage, old, next).services).to.deep.equal([]);
    }
  });
});
