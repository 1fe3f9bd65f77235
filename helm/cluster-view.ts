import { randomBytes } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { type RawAnswer, UnreachableError } from "../kubernetes/api";
import type { ClusterClient } from "../kubernetes/connect";
import type { KubeObject } from "../kubernetes/objects";
import { HelmWrites, type Look } from "./helm-writes";
import { plannedCrd, plannedVersion, withPlannedApis } from "./planned-apis";

/** The cluster as helm is shown it while it renders. */
export interface ClusterView extends ViewAccess {
  /** The same cluster, where helm may write as it likes: each write is noted and goes no further. */
  rehearsal(): Promise<ViewAccess & { readonly writes: HelmWrites }>;
  /** The first request that the API server did not answer. */
  readonly failure: UnreachableError | undefined;
  close(): Promise<void>;
}

/** How helm gets at the view. */
export interface ViewAccess {
  /** Flags for helm. */
  readonly args: readonly string[];
  /** Environment for helm: nothing of the user's may lead it to another cluster. */
  readonly env: NodeJS.ProcessEnv;
}

/** Environment variables that would change where helm connects, as whom, or where it looks for releases. */
const FOREIGN = ["KUBEAPISERVER", "KUBECAFILE", "KUBETOKEN", "KUBEASUSER", "KUBEASGROUPS", "KUBETLS_SERVER_NAME"];
const CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/";

/**
 * Lets helm look at the cluster, read-only, as it will be once the CRDs of this upgrade are applied: helm renders after
 * them, so charts that ask for a kind (`.Capabilities.APIVersions`) must get the answer that they will get then.
 *
 * A small HTTP server on the loopback address answers GET requests and refuses all others. It passes on what the API
 * server says, with the credentials that this program uses already, and puts the planned CRDs into what concerns them.
 * A secret path, known to the owner of `scratch` alone, keeps other users of the machine out (clients send a token over
 * TLS only).
 *
 * @param crds those of this upgrade, as they are about to be applied.
 * @param scratch a folder that only this user may read.
 */
export async function openClusterView(
  client: ClusterClient,
  crds: readonly KubeObject[],
  scratch: string,
): Promise<ClusterView> {
  const token = randomBytes(32).toString("hex");
  const rehearsals = new Map<string, HelmWrites>();
  let failure: UnreachableError | undefined;
  const look = onceForEach((path, accept) => lookUp(client, path, accept, crds));
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const [, secret = "", path = ""] = /^\/([0-9a-f]+)(\/.*)$/.exec(request.url ?? "") ?? [];
    const writes = rehearsals.get(secret);
    if (secret !== token && !writes) return refuse(response, 401, "Unauthorized");
    if (request.method !== "GET" && !writes) return refuse(response, 405, "only reading is allowed here");
    try {
      const { accept } = request.headers;
      const { code, contentType, body } =
        writes && request.method !== "GET" ? await writes.take(request, path, look) : await look(path, accept);
      response.writeHead(code, { "content-type": contentType }).end(body);
    } catch (error) {
      if (error instanceof UnreachableError) failure ??= error;
      refuse(response, 502, error instanceof Error ? error.message : String(error));
    }
  };
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const access = (secret: string) => accessTo(`http://127.0.0.1:${port}/${secret}`, secret, scratch);
  return {
    ...(await access(token)),
    rehearsal: async () => {
      const secret = randomBytes(32).toString("hex");
      const writes = new HelmWrites();
      rehearsals.set(secret, writes);
      return { ...(await access(secret)), writes };
    },
    get failure() {
      return failure;
    },
    close: () => closeServer(server),
  };
}

async function accessTo(server: string, secret: string, scratch: string): Promise<ViewAccess> {
  const file = join(scratch, `kubeconfig-${secret.slice(0, 8)}.json`);
  const config = {
    clusters: [{ name: "view", cluster: { server } }],
    contexts: [{ name: "view", context: { cluster: "view" } }],
  };
  await writeFile(file, JSON.stringify(config), { mode: 0o600 });
  return {
    args: ["--kubeconfig", file, "--kube-context", "view"],
    env: {
      ...Object.fromEntries(FOREIGN.map((name) => [`HELM_${name}`, undefined])),
      // What helm remembers of a cluster it files by address, and this address may be another cluster's tomorrow.
      KUBECACHEDIR: join(scratch, "cache"),
      HELM_DRIVER: "secret",
    },
  };
}

const JSON_ANSWER = "application/json";

/** What a cluster serves, and how it describes that: megabytes, of which each run of helm asks for all it needs. */
const SERVED = /^\/(?:version|api(?:\/v1)?|apis(?:\/[^/]+){0,2}|openapi\/v[23](?:\/.*)?)$/;

/** Asks once what the cluster serves, as long as the view is there; objects are looked up each time. */
function onceForEach(look: Look): Look {
  const known = new Map<string, Promise<RawAnswer>>();
  return async (path, accept) => {
    if (!SERVED.test(path.split("?")[0] ?? "")) return look(path, accept);
    const key = `${accept ?? ""} ${path}`;
    const asked = known.get(key) ?? look(path, accept);
    known.set(key, asked);
    const answer = await asked.catch((error: unknown) => {
      known.delete(key);
      throw error;
    });
    if (answer.code !== 200) known.delete(key);
    return answer;
  };
}

async function lookUp(
  { api }: ClusterClient,
  path: string,
  accept: string | undefined,
  crds: readonly KubeObject[],
): Promise<RawAnswer> {
  const [where = "", search] = path.split("?");
  // Of an object the plan asks, too, and helm several times.
  const isObject = search === undefined && !SERVED.test(where) && (accept ?? JSON_ANSWER) === JSON_ANSWER;
  const answer = isObject ? await api.getRaw(path) : await api.readRaw(path, accept ?? JSON_ANSWER);
  if (crds.length === 0) return answer;
  const [, groupVersion] = /^\/apis\/([^/]+\/[^/]+)$/.exec(where) ?? [];
  if (answer.code === 404 && groupVersion !== undefined) {
    const planned = plannedVersion(groupVersion, crds);
    return planned ? json(planned) : answer;
  }
  const crd = where.startsWith(CRDS)
    ? crds.find(({ metadata }) => where === `${CRDS}${metadata.name ?? ""}`)
    : undefined;
  if (crd && [200, 404].includes(answer.code))
    return json(plannedCrd(answer.code === 200 ? parse(answer) : undefined, crd));
  if (answer.code !== 200 || (where !== "/apis" && groupVersion === undefined)) return answer;
  const found = parse(answer);
  return found === undefined ? answer : { ...json(withPlannedApis(found, crds)), contentType: answer.contentType };
}

function parse({ body }: RawAnswer): unknown {
  try {
    return JSON.parse(body.toString()) as unknown;
  } catch {
    return undefined;
  }
}

function json(value: unknown): RawAnswer {
  return { code: 200, contentType: "application/json", body: Buffer.from(JSON.stringify(value)) };
}

function refuse(response: ServerResponse, code: number, message: string): void {
  const status = { kind: "Status", apiVersion: "v1", status: "Failure", message, code };
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(status));
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
