import { expect } from "chai";
import type { KubeObject } from "../../../kubernetes/objects";
import { keycloakClustering } from "../../../review/facts/clustering";
import { keycloakServer } from "../../../review/facts/keycloak-server";

const NAMESPACE = "casa-runtime";

const runs = (image: string, more = {}) => ({ containers: [{ name: "main", image, ...more }] });
describe("Keycloak's clustering", () => {
  const of = (args: string[], env: Record<string, string> = {}, image = "quay.io/keycloak/keycloak:25.0.6") =>
    keycloakClustering(runs(image, { args, env: Object.entries(env).map(([name, value]) => ({ name, value })) }))
      .clustered;

  it("start-dev and a local cache form none", () => {
    expect(of(["start-dev"])).to.equal(false);
    expect(of(["start", "--cache=local"])).to.equal(false);
    expect(of(["start"], { KC_CACHE: "local", KC_CACHE_STACK: "kubernetes" })).to.equal(false);
    expect(of([])).to.equal(false);
  });
  it("start does with a stack that works in a pod network, or where that is the default", () => {
    expect(of(["start"])).to.equal(false); // multicast before 26.1
    expect(of(["start"], {}, "quay.io/keycloak/keycloak:26.0")).to.equal(false);
    expect(of(["start"], {}, "quay.io/keycloak/keycloak:26.1.2")).to.equal(true);
    expect(of(["start", "--cache-stack", "kubernetes"])).to.equal(true);
    expect(of(["start"], { KC_CACHE_STACK: "jdbc-ping" })).to.equal(true);
    expect(of(["start"], { KC_CACHE_STACK: "udp" })).to.equal(false);
    expect(of(["start-dev", "--cache=ispn", "--cache-stack=kubernetes"])).to.equal(true);
    expect(of(["start"], { KC_CACHE_CONFIG_FILE: "mine.xml" })).to.equal(true);
    expect(
      keycloakClustering(runs("keycloak:25", { command: ["sh", "-c", "exec kc.sh start --cache-stack=tcp"] }))
        .clustered,
    ).to.equal(true);
  });
});

describe("Keycloak's clustering as charts and other images set it up", () => {
  const config = (name: string, data: Record<string, string>): KubeObject => ({
    ...{ apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data },
  });
  const of = (image: string, container: object, ...objects: KubeObject[]) => {
    const { clustered, unknown } = keycloakClustering(runs(image, container), {
      ...{ at: NAMESPACE, namespace: NAMESPACE, config: objects },
    });
    return unknown ? "unknown" : clustered;
  };
  const env = (values: Record<string, string>) => ({
    env: Object.entries(values).map(([name, value]) => ({ name, value })),
  });
  const from = (name: string) => ({ envFrom: [{ configMapRef: { name } }] });

  it("Bitnami's chart says it in a ConfigMap", () => {
    const image = "docker.io/bitnami/keycloak:24.0.5-debian-12-r0";
    const vars = (more: Record<string, string>) => config("kc-env-vars", { KEYCLOAK_PRODUCTION: "true", ...more });
    const ispn = { KEYCLOAK_CACHE_TYPE: "ispn", KEYCLOAK_CACHE_STACK: "kubernetes" };
    expect(of(image, from("kc-env-vars"), vars(ispn))).to.equal(true);
    expect(of(image, from("kc-env-vars"), vars({ ...ispn, KEYCLOAK_PRODUCTION: "false" }))).to.equal(true);
    expect(of(image, from("kc-env-vars"), vars({ KEYCLOAK_CACHE_TYPE: "local" }))).to.equal(false);
    expect(of(image, from("kc-env-vars"), vars({}))).to.equal(false); // multicast before 26.1
    expect(of("bitnami/keycloak:26.3.1-debian-12-r1", from("kc-env-vars"), vars({}))).to.equal(true);
    const local = vars({ ...ispn, KEYCLOAK_EXTRA_ARGS: "--cache=local" });
    expect(of(image, from("kc-env-vars"), local)).to.equal(false);
  });
  it("what comes from elsewhere is unknown, unless the rest is enough", () => {
    const image = "quay.io/keycloak/keycloak:25.0.6";
    expect(of(image, { args: ["start"], ...from("not-here") })).to.equal("unknown");
    expect(of(image, { args: ["start", "--cache-stack=kubernetes"], ...from("not-here") })).to.equal(true);
    expect(of(image, { args: ["start", "--cache=local"], ...from("not-here") })).to.equal(false);
    expect(of("quay.io/keycloak/keycloak:26.1.0", { args: ["start"], ...from("not-here") })).to.equal(true);
  });
  it("an image of one's own has a version of its own, and may start by itself", () => {
    expect(of("r.example/team/our-keycloak:1.4.2", { args: ["start"] })).to.equal("unknown");
    expect(of("r.example/team/our-keycloak:26.1.2", { args: ["start"] })).to.equal(true);
    expect(of("r.example/team/our-keycloak:1.4.2", {})).to.equal("unknown");
    expect(of("r.example/team/our-keycloak:1.4.2", env({ KC_CACHE_STACK: "kubernetes" }))).to.equal(true);
    expect(of("quay.io/keycloak/keycloak:latest", { args: ["start"] })).to.equal("unknown");
    expect(of("quay.io/keycloak/keycloak:26", { args: ["start"] })).to.equal("unknown");
  });
  it("before 17 by JGroups' discovery and the owners of a session", () => {
    const image = "quay.io/keycloak/keycloak:16.1.1";
    const dns = { JGROUPS_DISCOVERY_PROTOCOL: "dns.DNS_PING" };
    expect(of(image, env({ ...dns, CACHE_OWNERS_COUNT: "2" }))).to.equal(true);
    expect(of(image, env(dns))).to.equal(false);
    expect(of(image, env({ CACHE_OWNERS_COUNT: "2" }))).to.equal(false);
    const bitnami = { KEYCLOAK_JGROUPS_DISCOVERY_PROTOCOL: "kubernetes.KUBE_PING", KEYCLOAK_CACHE_OWNERS_COUNT: "3" };
    expect(of("bitnami/keycloak:16.1.1-debian-10-r0", env(bitnami))).to.equal(true);
    expect(of("jboss/keycloak:latest", env({}))).to.equal(false);
  });
});

describe("a Keycloak of an image of one's own", () => {
  const env = (...names: string[]) => names.map((name) => ({ name, value: "x" }));
  const is = (container: object, image = "registry.example/team/our-iam:3") =>
    keycloakServer(runs(image, container)) !== undefined;

  it("is told by its command and the settings that only the server has", () => {
    const servers = [
      { args: ["start", "--optimized"], env: env("KC_DB") },
      { command: ["/opt/keycloak/bin/kc.sh"], args: ["start"] },
      { command: ["sh", "-c", "exec /opt/keycloak/bin/kc.sh start-dev"] },
      { env: env("KC_DB", "KC_DB_URL_HOST", "KC_HOSTNAME", "KC_PROXY_HEADERS") },
      { env: env("KC_BOOTSTRAP_ADMIN_USERNAME", "KC_HTTP_ENABLED") },
    ];
    for (const container of servers) expect(is(container), JSON.stringify(container)).to.equal(true);
  });
  it("is not whoever uses one, or is started by the same word", () => {
    const others = [
      { args: ["start"] },
      { args: ["start"], env: env("KC_URL", "KC_REALM", "KC_CLIENT_ID") },
      { env: env("KEYCLOAK_URL", "KEYCLOAK_USER", "KEYCLOAK_PASSWORD") },
      { env: env("KC_DB_URL_HOST", "PGPASSWORD") },
      { env: env("POSTGRES_PASSWORD", "PGDATA") },
      { command: ["kc.sh", "export"] },
    ];
    for (const container of others) expect(is(container), JSON.stringify(container)).to.equal(false);
    expect(is({ env: env("KC_DB", "KC_HOSTNAME") }, "quay.io/keycloak/keycloak-operator:26")).to.equal(false);
  });
});
