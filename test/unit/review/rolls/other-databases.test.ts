import { expect } from "chai";
import { otherDatabaseFindings } from "../../../../review/rolls/other-databases";
import { replacedWorkloads } from "../../../../review/rolls/rolls";
import { mounting, object, pair, plan, type Shape, workload } from "./rolls-world";

const env = (variables: Record<string, string>) => Object.entries(variables).map(([name, value]) => ({ name, value }));
const keycloak = (more: object) => ({ image: "quay.io/keycloak/keycloak:26.1", ...more });
const inTmp: Shape["pod"] = { volumes: [{ name: "data", emptyDir: {} }] };
const onClaim: Shape["pod"] = { volumes: mounting("a").volumes };
const at = (mountPath: string) => [{ name: "data", mountPath }];

/** What an upgrade of the image makes of a workload with this container. */
function found(container: object, more: Shape = {}, change: Shape = { metadata: { annotations: { a: "b" } } }) {
  const before = workload("StatefulSet", { ...more, container });
  const one = pair(before, workload("StatefulSet", { ...more, container, ...change }));
  const config = object("ConfigMap", "settings", { data: { DATABASE_URL: "sqlite:////data/app.db" } });
  const replaced = replacedWorkloads(plan([one]).rolls);
  return otherDatabaseFindings([one], { namespace: "casa", replaced, predicted: [config] });
}
const problems = (...args: Parameters<typeof found>) => found(...args).map(({ problem }) => problem);

describe("databases of other makes than PostgreSQL", () => {
  it("in the container's own file system or on emptyDir are lost with the pod", () => {
    const shapes: [object, Shape?][] = [
      [keycloak({ args: ["start-dev"] })],
      [keycloak({ args: ["start", "--db=dev-file"] })],
      [keycloak({ args: ["start", "--db", "dev-file"] })],
      [keycloak({ args: ["start"], env: env({ KC_DB: "dev-file" }) })],
      [{ env: env({ DATABASE_URL: "sqlite+aiosqlite:////srv/app.db" }) }],
      [{ env: env({ DB_URL: "jdbc:h2:file:/srv/app;MODE=PostgreSQL" }) }],
      [{ envFrom: [{ configMapRef: { name: "settings" } }] }],
      [{ image: "mysql:8.4" }],
      [{ image: "docker.io/library/mongo:7", volumeMounts: at("/data/db") }, { pod: inTmp }],
      [{ image: "r.example/bitnami/mariadb:11.4", volumeMounts: at("/bitnami/mariadb") }, { pod: inTmp }],
    ];
    for (const [container, more] of shapes) {
      expect(problems(container, more), JSON.stringify(container)).to.deep.equal(["lost"]);
    }
    const [one] = found(keycloak({ args: ["start-dev"] }));
    expect(one?.text).to.contain("StatefulSet/casa/web: its H2 database is in the container's own file system");
    expect(one?.fix).to.contain("in no backup").and.to.contain("or in PostgreSQL");
  });

  it("on a claim, in another server, or in copies of one another are not", () => {
    const shapes: [object, Shape?][] = [
      [keycloak({ args: ["start-dev"], volumeMounts: at("/opt/keycloak/data") }), { pod: onClaim }],
      [keycloak({ args: ["start-dev"], env: env({ KC_DB: "postgres" }) })],
      [keycloak({ args: ["start-dev"], volumeMounts: at("/opt/keycloak/conf") }), { pod: inTmp }],
      [keycloak({ args: ["start"] })],
      [{ image: "r.example/team/our-keycloak:1", args: ["start-dev"] }],
      [{ env: env({ DATABASE_URL: "sqlite://" }) }],
      [{ env: env({ DATABASE_URL: "sqlite:///relative.db" }) }],
      [{ image: "mysql:8.4", volumeMounts: at("/elsewhere") }, { pod: onClaim }],
      [{ image: "mysql:8.4", volumeMounts: at("/var/lib/mysql") }, { pod: onClaim }],
      [{ image: "prom/mysqld-exporter:1" }],
      [{ image: "percona/mongodb_exporter:1" }],
      [{ image: "mongo:7" }, { replicas: 3 }],
      [{ image: "mysql:8.4" }, { replicas: 0 }],
    ];
    for (const [container, more] of shapes) {
      expect(problems(container, more), JSON.stringify(container)).to.deep.equal([]);
    }
    // A pod that is not replaced keeps them.
    expect(problems({ image: "mysql:8.4" }, {}, {})).to.deep.equal([]);
  });

  it("are looked for elsewhere afterwards: told, and where", () => {
    const container = { image: "mysql:8.4", volumeMounts: at("/var/lib/mysql") };
    const other = { pod: { volumes: mounting("b").volumes } };
    const [one] = found(container, { pod: onClaim }, other);
    expect(one?.problem).to.equal("moved");
    expect(one?.text).to.contain("claim a").and.to.contain("claim b");
  });

  it("go with a workload that is deleted", () => {
    const one = pair(workload("StatefulSet", { container: { image: "mysql:8.4" } }), undefined);
    const [gone] = otherDatabaseFindings([one], { namespace: "casa", replaced: new Set(), predicted: [] });
    expect(gone?.text).to.contain("this upgrade deletes it");
  });
});
