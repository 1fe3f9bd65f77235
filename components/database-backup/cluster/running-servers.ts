import type { ClusterClient } from "../../../kubernetes/connect";
import { workloadId } from "../../../kubernetes/workload";
import { discoverDatabases } from "../discover";
import type { DatabaseTarget } from "../references";
import { askedAlready } from "./ask-servers";
import { RUNNING } from "./scripts";
import type { Fact } from "./run-script";
import { DatabaseSession } from "./session";

/** What a running database server says of itself, as far as it answers. */
export interface RunningServer {
  /** By which the configuration and `casa-upgrade restore` call its database. */
  name: string;
  version?: string;
  /** Only a superuser and members of pg_read_all_settings are told; else by the container's environment. */
  dataDirectory?: string;
  /** Where the file system of the data directory is mounted in its container. */
  mountPoint?: string;
}

/** A preview must not wait for long for a server that does not answer. In milliseconds. */
const LIMIT_MS = 20_000;

/**
 * Asks the database servers among some live objects what they are, read-only, in their pods. A server that does not
 * answer, or may not be asked, is in the result by its name only.
 *
 * @returns by workload, `Kind/namespace/name`.
 */
export async function askRunningServers(
  client: ClusterClient,
  objects: readonly unknown[],
  namespace: string,
): Promise<Map<string, RunningServer>> {
  const found = await Promise.all(
    discoverDatabases(objects, namespace).map(async (target): Promise<[string, RunningServer][]> => {
      if ("host" in target.at) return [];
      const { kind, namespace: at, workload: name } = target.at;
      return [[workloadId({ kind, namespace: at, name }), { name: target.name, ...(await ask(client, target)) }]];
    }),
  );
  return new Map(found.flat());
}

async function ask(client: ClusterClient, target: DatabaseTarget): Promise<Omit<RunningServer, "name">> {
  try {
    const known = await askedAlready(client, target)?.catch(() => undefined);
    if (known) {
      const { checks, dataDirectory, mountPoint } = known;
      return answerOf({ serverVersion: checks.serverVersion, dataDirectory, mountPoint });
    }
    const session = await DatabaseSession.open(client, target);
    const facts = await session.run(RUNNING, { step: "the question", signal: AbortSignal.timeout(LIMIT_MS) });
    return answerOf(Object.assign({}, ...facts) as Fact);
  } catch {
    // What it says would be more certain than what the images say, and nothing more.
    return {};
  }
}

function answerOf({
  serverVersion: version,
  dataDirectory,
  mountPoint,
}: Pick<Fact, "serverVersion" | "dataDirectory" | "mountPoint">): Omit<RunningServer, "name"> {
  return {
    ...(version ? { version } : {}),
    ...(dataDirectory ? { dataDirectory } : {}),
    ...(mountPoint ? { mountPoint } : {}),
  };
}
