import { expect } from "chai";
import { type Case, template } from "./dead-end-cases";
import { configMap, deployment } from "./shapes/shape";

const service = (ports: string) =>
  template(`apiVersion: v1\nkind: Service\nmetadata: {name: dns}\nspec: {selector: {a: b}, ports: [${ports}]}\n`);
const variables = (env: string, pod = "") =>
  template(deployment("twice", { container: `image: i, env: [${env}]`, pod }));

/** Lists with two items of one merge key: helm's patches make something else of them than the chart says. */
export const TWIN_CASES: readonly Case[] = [
  {
    name: "a Service that gets 53/UDP beside 53/TCP",
    before: service("{name: tcp, port: 53, protocol: TCP}"),
    after: service("{name: tcp, port: 53, protocol: TCP}, {name: udp, port: 53, protocol: UDP}"),
    says: ["two items of spec.ports have the same port (53)", "delete service dns"],
    helm: "succeeds",
  },
  {
    name: "a Service that loses 53/UDP beside 53/TCP: helm would take both",
    before: service(
      "{name: http, port: 80}, {name: tcp, port: 53, protocol: TCP}, {name: udp, port: 53, protocol: UDP}",
    ),
    after: service("{name: http, port: 80}, {name: tcp, port: 53, protocol: TCP}"),
    says: ["two items of spec.ports have the same port (53)", "delete service dns"],
    helm: "succeeds",
  },
  {
    name: "a Service that has both in another order",
    before: service("{name: tcp, port: 53, protocol: TCP}, {name: udp, port: 53, protocol: UDP}"),
    after: service("{name: udp, port: 53, protocol: UDP}, {name: tcp, port: 53, protocol: TCP}"),
    says: ["two items of spec.ports have the same port (53)"],
    helm: /Duplicate value/,
  },
  {
    name: "a Service that has both already",
    before: service("{name: tcp, port: 53, protocol: TCP}, {name: udp, port: 53, protocol: UDP}"),
    after: {
      ...service("{name: tcp, port: 53, protocol: TCP}, {name: udp, port: 53, protocol: UDP}"),
      "templates/b.yaml": configMap("b", "a: b"),
    },
    review: ({ objects }) =>
      expect(objects.map(({ name }) => name))
        .to.include("b")
        .and.not.include("dns"),
    helm: "succeeds",
  },
  {
    name: "a variable that is there twice, and then once: helm would take both",
    before: variables("{name: A, value: a}, {name: A, value: b}"),
    after: variables("{name: A, value: b}"),
    says: ["have the same name (A)", "delete deployment twice", "--cascade=orphan"],
    helm: "succeeds",
  },
  {
    name: "a variable that comes a second time: helm would leave the first one",
    before: variables("{name: A, value: a}"),
    after: variables("{name: A, value: a}, {name: A, value: z}"),
    says: ["have the same name (A)"],
    helm: "succeeds",
  },
  {
    name: "a variable that is there twice, where the one that counts stays",
    before: variables("{name: A, value: a}, {name: A, value: z}, {name: B, value: b}"),
    after: variables("{name: A, value: a}, {name: A, value: z}, {name: B, value: c}"),
    review: ({ verdict, warnings }) => {
      expect(verdict).to.equal("changes");
      expect(warnings).to.deep.equal([]);
    },
    helm: "succeeds",
  },
  {
    name: "a container that listens on a port by TCP and then by UDP, too",
    before: template(deployment("d", { container: "image: a:1, ports: [{containerPort: 53, protocol: TCP}]" })),
    after: template(
      deployment("d", {
        container: "image: a:1, ports: [{containerPort: 53, protocol: TCP}, {containerPort: 53, protocol: UDP}]",
      }),
    ),
    says: ["have the same containerPort (53)", "--cascade=orphan"],
    helm: "succeeds",
  },
  {
    name: "a pull secret that comes a second time: it is one all the same",
    before: variables("{name: A, value: a}", "imagePullSecrets: [{name: s}], "),
    after: variables("{name: A, value: b}", "imagePullSecrets: [{name: s}, {name: s}], "),
    review: ({ verdict }) => expect(verdict).to.equal("changes"),
    helm: "succeeds",
  },
];
