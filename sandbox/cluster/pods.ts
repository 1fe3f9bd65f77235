import * as fs from "node:fs";
import * as path from "node:path";
import * as k8s from "@kubernetes/client-node";

import { PROOF_CONTAINER } from "../../components/database-backup/proof-pod-spec";
import { CHECKOUT } from "../paths";
import { quoteIdentifier, quoteLiteral, runSql } from "../postgres";
import { criLog } from "./logs";
import { PodProcesses } from "./pod-process";
import { containerEnvironment, createFor, type PodServices } from "./pod-services";
import { ANNOTATION } from "./stages";

/** What a crash-looping pod printed, unless its annotation names a file: a failed schema migration. */
const CRASH_OUTPUT = `INFO  [alembic.runtime.migration] Context impl PostgresqlImpl.
INFO  [alembic.runtime.migration] Will assume transactional DDL.
INFO  [alembic.runtime.migration] Running upgrade 4f1c2d7a9b03 -> 8e5b0c6d1a72, add token audience
Traceback (most recent call last):
  File "/app/migrate.py", line 41, in <module>
    command.upgrade(config, "head")
  File "/app/migrations/versions/8e5b0c6d1a72_add_token_audience.py", line 23, in upgrade
    op.add_column("tokens", sa.Column("audience", sa.String(), nullable=False))
sqlalchemy.exc.IntegrityError: (psycopg2.errors.NotNullViolation) column "audience" of relation "tokens" contains null values
ERROR: database migration failed, exiting with code 1
`;

/** Whether a container runs the PostgreSQL image. */
function isPostgresImage(image: string | undefined): boolean {
  return /(^|\/)postgres(ql)?([:@]|$)/.test(image ?? "");
}

/** The output of a pod that has some of its own; undefined otherwise. */
function ownOutput(pod: k8s.V1Pod): string | undefined {
  const annotations = pod.metadata?.annotations ?? {};
  const file = annotations[ANNOTATION.logFile];
  if (file) return fs.readFileSync(path.resolve(CHECKOUT, file), "utf8");
  return annotations[ANNOTATION.behavior] === "crash-loop" ? CRASH_OUTPUT : undefined;
}

async function serveLogs(services: PodServices, pod: k8s.V1Pod): Promise<void> {
  const output = ownOutput(pod);
  if (output === undefined) return;
  const file = path.join(services.dir, "pod-logs", `${pod.metadata?.uid}.log`);
  fs.writeFileSync(file, criLog(output));
  await createFor(services, pod, "Logs", { logs: [{ logsFile: file, previousLogsFile: file }] });
}

async function servePort(services: PodServices, pod: k8s.V1Pod): Promise<void> {
  const port = Number(pod.metadata?.annotations?.[ANNOTATION.localPort]);
  if (!port) return;
  await createFor(services, pod, "PortForward", { forwards: [{ target: { port, address: "127.0.0.1" } }] });
}

/**
 * Makes the role and the database of a PostgreSQL container, as the image's start-up does; what exists is left alone.
 */
async function initDatabase(serverEnv: Record<string, string>, container: Record<string, string>): Promise<void> {
  const user = container.POSTGRES_USER ?? "postgres";
  const database = container.POSTGRES_DB ?? user;
  const password = container.POSTGRES_PASSWORD;
  const known = `SELECT rolpassword IS NOT NULL FROM pg_authid WHERE rolname = ${quoteLiteral(user)};`;
  const role = (await runSql(serverEnv, known)).trim();
  const secret = password === undefined ? "" : ` PASSWORD ${quoteLiteral(password)}`;
  if (role === "") {
    await runSql(serverEnv, `CREATE ROLE ${quoteIdentifier(user)} LOGIN SUPERUSER${secret};`);
  } else if (role === "f" && secret) {
    // Also the server's superuser gets its password at the first start, and keeps it whatever the Secret says later.
    await runSql(serverEnv, `ALTER ROLE ${quoteIdentifier(user)}${secret};`);
  }
  const databases = await runSql(serverEnv, `SELECT 1 FROM pg_database WHERE datname = ${quoteLiteral(database)};`);
  if (!databases.trim()) {
    await runSql(serverEnv, `CREATE DATABASE ${quoteIdentifier(database)} OWNER ${quoteIdentifier(user)};`);
  }
}

async function servePostgres(services: PodServices, pod: k8s.V1Pod): Promise<void> {
  if (!services.postgresEnv) return;
  const execs: object[] = [];
  for (const container of pod.spec?.containers ?? []) {
    // A throw-away server has the image, and nothing runs in it until it is told to.
    if (!isPostgresImage(container.image) || container.name === PROOF_CONTAINER) continue;
    const environment = await containerEnvironment(services, pod.metadata?.namespace ?? "", container);
    await initDatabase(services.postgresEnv, environment);
    // The image's data folder does not exist here, and the server's address is ours.
    delete environment.PGDATA;
    const envs = Object.entries({ ...environment, ...services.postgresEnv }).map(([name, value]) => ({ name, value }));
    execs.push({ containers: [container.name], local: { workDir: path.join(services.dir, "exec"), envs } });
  }
  if (execs.length > 0) await createFor(services, pod, "Exec", { execs });
}

/** Watches all pods until the process ends; what goes wrong with one pod is logged and leaves the others alone. */
export async function servePods(services: PodServices): Promise<void> {
  const api = services.kubeconfig.makeApiClient(k8s.CoreV1Api);
  const served = new Set<string>();
  const processes = new PodProcesses(services);
  const serve = (pod: k8s.V1Pod) => {
    const uid = pod.metadata?.uid;
    if (!uid || served.has(uid)) return;
    served.add(uid);
    Promise.all([
      serveLogs(services, pod),
      servePort(services, pod),
      servePostgres(services, pod),
      processes.start(pod),
    ]).catch((error: Error) => {
      services.log(`pod ${pod.metadata?.namespace}/${pod.metadata?.name}, trying again: ${error.message}`);
      // PostgreSQL makes one database at a time, and two of its pods may start together.
      setTimeout(() => {
        if (served.delete(uid)) serve(pod);
      }, 500);
    });
  };
  const informer = k8s.makeInformer(services.kubeconfig, "/api/v1/pods", () => api.listPodForAllNamespaces());
  informer.on("add", serve);
  informer.on("delete", (pod) => {
    served.delete(pod.metadata?.uid ?? "");
    processes.stop(pod);
  });
  informer.on("error", (error: Error | undefined) => {
    services.log(`watching pods ended, trying again: ${error?.message ?? "no reason given"}`);
    setTimeout(() => void start(), 500);
  });
  const start = async () => {
    try {
      await informer.start();
    } catch (error) {
      services.log(`watching pods did not start, trying again: ${(error as Error).message}`);
      setTimeout(() => void start(), 500);
    }
  };
  await start();
}
