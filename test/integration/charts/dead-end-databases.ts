import { expect } from "chai";
import { type Case, template } from "./dead-end-cases";
import { deployment, join } from "./shapes/shape";

const keycloak = (tag: string) =>
  deployment("kc", {
    container:
      `image: "quay.io/keycloak/keycloak:${tag}", args: [start-dev], ` +
      'env: [{name: OTHER, value: "mysql://u:hunter2@db.example/x"}]',
  });
const MARIADB = `apiVersion: apps/v1
kind: StatefulSet
metadata: {name: sql}
spec:
  serviceName: sql
  selector: {matchLabels: {app: sql}}
  template:
    metadata: {labels: {app: sql}}
    spec: {containers: [{name: main, image: "mariadb:11.4", volumeMounts: [{name: data, mountPath: /var/lib/mysql}]}]}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}
`;

/** Databases of other makes than PostgreSQL. */
export const DATABASE_CASES: readonly Case[] = [
  {
    name: "databases that are not PostgreSQL's: in no backup, and one that goes with its pod",
    before: template(join(keycloak("26.1"), MARIADB)),
    after: template(join(keycloak("26.2"), MARIADB)),
    config: { backup: { destination: "backups" } },
    review: ({ databases, warnings }) => {
      expect(databases.map(({ problem, text }) => `${problem} ${text}`).join()).to.match(
        /^lost Deployment\/[^ ]*kc: its H2 database is in the container's own file system/,
      );
      const told = warnings.filter((one) => one.includes("is in no backup of this run")).join();
      expect(told)
        .to.match(/on claims of StatefulSet\/[^ ]*sql/)
        .and.to.contain("MySQL at db.example")
        .and.not.to.contain("hunter2");
    },
    helm: "succeeds",
  },
];
