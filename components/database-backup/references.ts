import { z } from "zod";

/**
 * Where a setting of a database is written down. Only references travel through resources; what they hold is read when
 * it is needed.
 */
export const valueRef = z.union([
  z.strictObject({ value: z.string() }),
  z.strictObject({
    kind: z.enum(["Secret", "ConfigMap"]),
    name: z.string(),
    key: z.string(),
    /** Another place is looked at when this one is missing. */
    optional: z.boolean().optional(),
  }),
]);

export type ValueRef = z.infer<typeof valueRef>;

/** A database to back up: how to reach it and how to log in. Holds no password. */
export const databaseTarget = z.strictObject({
  /** Unique in a stack, and fit for a file name. */
  name: z.string().regex(/^[A-Za-z0-9][-\w.]*$/),
  /** The first place that holds a value counts. */
  database: z.array(valueRef),
  user: z.array(valueRef),
  /** Empty: the server asks for none. */
  password: z.array(valueRef),
  /** The superuser's password beside it, where the image has one; for what the user may not do. */
  admin: z.strictObject({ password: z.array(valueRef), passwordFile: z.string().optional() }).optional(),
  at: z.union([
    z.strictObject({
      /** A server in the cluster: its programs are run in its pod by `kubectl exec`. */
      kind: z.enum(["Deployment", "StatefulSet"]),
      namespace: z.string(),
      workload: z.string(),
      /** The pod, where the workload has several: each may be a server of its own, or one of them the primary. */
      pod: z.string().optional(),
      container: z.string(),
      /** File in the container that holds the password, where no Secret is named. */
      passwordFile: z.string().optional(),
    }),
    z.strictObject({
      /** A server outside: reached by `psql`, `pg_dump` and `pg_restore` of this machine. */
      host: z.string(),
      port: z.number().int(),
      sslMode: z.string(),
      /** Namespace of the Secret with the password. */
      namespace: z.string(),
    }),
  ]),
});

export type DatabaseTarget = z.infer<typeof databaseTarget>;

/** The same database for the server's superuser; undefined where nobody wrote down the password. */
export function asAdmin({ admin, ...target }: DatabaseTarget): DatabaseTarget | undefined {
  if (!admin || "host" in target.at) return undefined;
  const { passwordFile: _users, ...at } = target.at;
  const { password, passwordFile } = admin;
  return {
    ...target,
    user: [{ value: "postgres" }],
    password,
    at: { ...at, ...(passwordFile === undefined ? {} : { passwordFile }) },
  };
}

/** The workload of a server, whichever of its pods that is. */
export function withoutPod({ at }: Pick<DatabaseTarget, "at">): Pick<DatabaseTarget, "at"> {
  return "host" in at ? { at } : { at: { ...at, pod: undefined } };
}

/** Where the server is, in words. */
export function whereIs({ at }: Pick<DatabaseTarget, "at">): string {
  if ("host" in at) return `${at.host}:${at.port}`;
  return `${at.kind}/${at.namespace}/${at.workload}${at.pod === undefined ? "" : `, pod ${at.pod}`}`;
}
