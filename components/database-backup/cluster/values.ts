import { UserError } from "../../../shared/user-error";
import { z } from "zod";
import type { DatabaseTarget, ValueRef } from "../references";
import { whereIs } from "../references";
import type { ClusterClient } from "../../../kubernetes/connect";

const secret = z.looseObject({ data: z.record(z.string(), z.string()).nullish() });
const configMap = z.looseObject({ data: z.record(z.string(), z.string()).nullish() });

/** How to log in to a database. Never to be logged or handed to a resource. */
export interface Login {
  database: string;
  user: string;
  /** Empty: the server asks for none, or the password is in a file of the container. */
  password: string;
}

/**
 * Reads user, database name and password from where they are written down, now.
 *
 * @throws UserError naming the Secret or key that is missing; ApiError, UnreachableError.
 */
export async function readLogin(client: ClusterClient, target: DatabaseTarget): Promise<Login> {
  const { namespace } = target.at;
  const read = (refs: readonly ValueRef[]) => firstValue(client, namespace, refs, target);
  const [database, user, password] = await Promise.all([
    read(target.database),
    read(target.user),
    read(target.password),
  ]);
  if (password !== undefined && /[\r\n]/.test(password)) {
    throw new UserError(
      "backup",
      `the password of database ${target.name} has a line break in it, which PostgreSQL's clients do not take`,
      "write the Secret without one (echo -n), then repeat",
    );
  }
  return { database: database ?? "", user: user ?? "", password: password ?? "" };
}

async function firstValue(
  client: ClusterClient,
  namespace: string,
  refs: readonly ValueRef[],
  target: DatabaseTarget,
): Promise<string | undefined> {
  for (const ref of refs) {
    if ("value" in ref) return ref.value;
    const found = await valueIn(client, namespace, ref);
    if (found !== undefined) return found;
    if (!ref.optional) {
      throw new UserError(
        "backup",
        `database ${target.name} (${whereIs(target)}) takes key ${ref.key} of ${ref.kind} ${namespace}/${ref.name}, which does not exist`,
        `create it (kubectl --context ${client.context} --namespace ${namespace} get ${ref.kind.toLowerCase()} ${ref.name}), then repeat`,
      );
    }
  }
  return undefined;
}

async function valueIn(client: ClusterClient, namespace: string, ref: Exclude<ValueRef, { value: string }>) {
  if (ref.kind === "ConfigMap") {
    const found = await client.get({ apiVersion: "v1", kind: "ConfigMap" }, namespace, ref.name, configMap);
    return found?.data?.[ref.key];
  }
  const data = (await client.get({ apiVersion: "v1", kind: "Secret" }, namespace, ref.name, secret))?.data?.[ref.key];
  return data === undefined ? undefined : Buffer.from(data, "base64").toString();
}
