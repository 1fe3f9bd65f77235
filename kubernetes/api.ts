import type * as http from "node:http";
import { z } from "zod";
import { ApiError, isExpired, UnreachableError } from "./api-errors";
import { ListItems } from "./list-items";
import { isMap } from "./objects";
import { type ApiAccess, type RawAnswer, type RequestOptions, Transport } from "./transport";
import { DISCOVERY_ACCEPT, kindsByVersion, type ServedResource, versionsIn, type Kinds } from "./discovery";

export { ApiError, isExpired, UnreachableError } from "./api-errors";
export type { ServedResource } from "./discovery";
export type { ApiAccess, RawAnswer, RequestOptions } from "./transport";

export interface ListOptions {
  labelSelector?: string;
  fieldSelector?: string;
}

const statusSchema = z.looseObject({ reason: z.string().optional(), message: z.string().optional() });
const listSchema = z.looseObject({
  metadata: z.looseObject({ continue: z.string().optional(), remainingItemCount: z.number().optional() }).optional(),
  // As they are: a list may have tens of thousands, and each is parsed again by who reads it.
  items: z
    .array(z.custom<object>(isMap))
    .nullish()
    .transform((items) => items ?? []),
});

/** Objects of one page of a list. */
const PAGE = 500;
/**
 * Largest answer, in characters, that a list is taken as in one piece. The API server answers such a request from its
 * memory (Kubernetes 1.31 and newer), but reads pages from etcd: 50,000 small objects took it 2.7 s of processor time
 * instead of 11.7 s.
 */
const ONE_PIECE = 32 * 1024 * 1024;
/** What can be asked of a cluster without changing it; whoever holds only this cannot write. */
export type ApiReader = Pick<
  KubeApi,
  | "requestCount"
  | "read"
  | "readRaw"
  | "open"
  | "dryRun"
  | "ask"
  | "resource"
  | "allKinds"
  | "path"
  | "get"
  | "getRaw"
  | "list"
  | "count"
  | "eachPage"
  | "remembering"
>;

/**
 * A small client for any kind of object. The library's generated clients cover built-in kinds only, and loading them
 * all costs more than a preview's other work.
 */
export class KubeApi {
  private readonly transport: Transport;
  private readonly discovered = new Map<string, Promise<Kinds>>();
  private remembered: Map<string, Promise<unknown>> | undefined;

  /** @param timeoutSeconds longest wait for one answer, or between two parts of one. */
  constructor(endpoint: ApiAccess, timeoutSeconds = 60) {
    this.transport = new Transport(endpoint, timeoutSeconds);
  }

  /** Requests sent so far. */
  get requestCount(): number {
    return this.transport.requestCount;
  }

  /** @param seconds longest wait for one answer, from now on. */
  setTimeout(seconds: number): void {
    this.transport.timeoutSeconds = seconds;
  }

  /**
   * Sends one request; resolves to the parsed answer. Sent again when the API server says it is too busy.
   *
   * @throws ApiError when the server refuses, UnreachableError when it does not answer.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    return this.answerOf(method, path, options).catch(named(`${method} ${path}`));
  }

  private async answerOf(method: string, path: string, options: RequestOptions): Promise<unknown> {
    const answer = await this.transport.send(method, path, options);
    return answer.code < 400 && options.text ? answer.body.toString() : objectIn(answer);
  }

  /** Sends a GET request; errors as in {@link request}. */
  read(path: string, options: RequestOptions = {}): Promise<unknown> {
    return this.request("GET", path, options);
  }

  /**
   * Sends a GET request and hands on whatever the API server answers, refusals too.
   *
   * @throws UnreachableError when it does not answer.
   */
  readRaw(path: string, accept: string): Promise<RawAnswer> {
    return this.transport.send("GET", path, { accept });
  }

  /**
   * Opens an answer that goes on: a watch.
   *
   * @param signal ends it; there is no time limit but this.
   * @throws ApiError when the server refuses, UnreachableError when it does not answer.
   */
  open(path: string, query: RequestOptions["query"], signal: AbortSignal): Promise<http.IncomingMessage> {
    return this.transport.open(path, query, signal);
  }

  /** Asks what a writing request would do: the API server answers as if it had been carried out, and keeps nothing. */
  dryRun(method: "POST" | "PUT" | "PATCH" | "DELETE", path: string, options: RequestOptions = {}): Promise<unknown> {
    return this.request(method, path, { ...options, query: { ...options.query, dryRun: "All" } });
  }

  /**
   * Has the API server answer a question that is put as an object, such as a SelfSubjectAccessReview; none is stored.
   */
  ask(path: string, body: object): Promise<unknown> {
    return this.request("POST", path, { body });
  }

  /** Plural name and scope of a kind; undefined when the server does not serve it (now). */
  async resource(apiVersion: string, kind: string): Promise<ServedResource | undefined> {
    const asked = this.discovered.has(apiVersion);
    const known = (await this.kinds(apiVersion)).get(kind);
    if (known || !asked) return known;
    this.discovered.delete(apiVersion); // a CRD created since may serve it
    return (await this.kinds(apiVersion)).get(kind);
  }

  /**
   * All API versions and their kinds: two requests where the server knows aggregated discovery, else one for each
   * version.
   */
  async allKinds(): Promise<Map<string, Kinds>> {
    const answers = await Promise.all(
      ["/api", "/apis"].map((path) => this.request("GET", path, { accept: DISCOVERY_ACCEPT })),
    );
    const found = new Map(answers.flatMap((answer) => [...(kindsByVersion(answer) ?? [])]));
    const others = answers.flatMap((answer) => versionsIn(answer));
    await Promise.all(
      others.map(async (version) => found.set(version, await this.kinds(version).catch(brokenIsEmpty))),
    );
    for (const [version, kinds] of found) this.discovered.set(version, Promise.resolve(kinds));
    return found;
  }

  private kinds(apiVersion: string): Promise<Kinds> {
    const cached = this.discovered.get(apiVersion);
    if (cached) return cached;
    const found = this.discover(apiVersion);
    found.catch(() => this.discovered.delete(apiVersion));
    this.discovered.set(apiVersion, found);
    return found;
  }

  private async discover(apiVersion: string): Promise<Kinds> {
    try {
      const answer = await this.request("GET", apiRoot(apiVersion));
      return kindsByVersion(answer)?.get(apiVersion) ?? new Map();
    } catch (error) {
      // Every API server serves the core group: without it nothing that is asked for could be told to be missing.
      if (error instanceof ApiError && error.code === 404 && apiVersion !== "v1") return new Map();
      throw error;
    }
  }

  /** Path of an object, or of its collection when `name` is left out. */
  async path(object: { apiVersion: string; kind: string }, namespace: string, name?: string): Promise<string> {
    const served = await this.resource(object.apiVersion, object.kind);
    if (!served) {
      throw new ApiError(
        404,
        "NotFound",
        `no matches for kind "${object.kind}" in version "${object.apiVersion}": its CRD is not installed`,
      );
    }
    const scope = served.namespaced ? `/namespaces/${namespace}` : "";
    return `${apiRoot(object.apiVersion)}${scope}/${served.plural}${name === undefined ? "" : `/${name}`}`;
  }

  /**
   * Reads each object and each list at most once while the work goes on, so that all of it sees the same. Not for work
   * that waits for a change.
   */
  async remembering<T>(work: () => Promise<T>): Promise<T> {
    this.remembered = new Map();
    try {
      return await work();
    } finally {
      this.remembered = undefined;
    }
  }

  private once<T>(key: string, read: () => Promise<T>): Promise<T> {
    const { remembered } = this;
    const found = (remembered?.get(key) as Promise<T> | undefined) ?? read();
    remembered?.set(key, found);
    found.catch(() => remembered?.delete(key));
    return found;
  }

  /** Reads an object; undefined when it (or its kind) does not exist. */
  async get(object: { apiVersion: string; kind: string }, namespace: string, name: string): Promise<unknown> {
    try {
      const path = await this.path(object, namespace, name);
      return await this.parsedAt(path).catch(named(`GET ${path}`));
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    }
  }

  /**
   * Reads an object and hands on whatever the API server answers, refusals too.
   *
   * @throws UnreachableError when it does not answer.
   */
  async getRaw(path: string): Promise<RawAnswer> {
    return (await this.objectAt(path)).answer;
  }

  private async parsedAt(path: string): Promise<unknown> {
    const found = await this.objectAt(path);
    return (found.object ??= objectIn(found.answer));
  }

  private async objectAt(path: string): Promise<{ answer: RawAnswer; object?: unknown }> {
    const found = await this.once(path, async () => ({ answer: await this.transport.send("GET", path, {}) }));
    const { code } = found.answer;
    if (code >= 400 && code !== 404) this.remembered?.delete(path);
    return found;
  }

  /**
   * All objects of a kind in a namespace (all namespaces without one), page by page; none when the kind is not served.
   *
   * @param select a label selector, or label and field selectors.
   */
  async list(
    object: { apiVersion: string; kind: string },
    namespace?: string,
    select: string | ListOptions = {},
  ): Promise<object[]> {
    const served = await this.resource(object.apiVersion, object.kind);
    if (!served) return [];
    const scope = served.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : "";
    const path = `${apiRoot(object.apiVersion)}${scope}/${served.plural}`;
    const query = typeof select === "string" ? { labelSelector: select } : { ...select };
    const items = await this.once(`${path} ${JSON.stringify(query)}`, () => this.items(path, query));
    // Items of a list carry no kind of their own.
    return items.map((item) => ({ ...item, apiVersion: object.apiVersion, kind: object.kind }));
  }

  private async items(path: string, query: Record<string, string | undefined>): Promise<object[]> {
    let items: object[] = [];
    const take = (page: object[]) => void (items = items.concat(page));
    try {
      await this.pages(path, query, take);
    } catch (error) {
      // The rest of a list that took too long is gone from etcd's history: take it in one piece.
      if (!isExpired(error)) throw error;
      items = [];
      await this.whole(path, query, take);
    }
    return items;
  }

  /** How many objects of a kind there are in all namespaces, in one request; 0 when the kind is not served. */
  async count(object: { apiVersion: string; kind: string }): Promise<number> {
    const served = await this.resource(object.apiVersion, object.kind);
    if (!served) return 0;
    const page = await this.page(`${apiRoot(object.apiVersion)}/${served.plural}`, { limit: "1" });
    return page.items.length + (page.metadata?.remainingItemCount ?? 0);
  }

  /**
   * Visits all objects of a kind page by page (a list of moderate size in one piece), for lists that are too long to be
   * held; none when the kind is not served. As in {@link list}, but items have no kind of their own.
   *
   * @throws ApiError with code 410 when it took so long that the rest of the list is gone; begin again.
   */
  async eachPage(
    object: { apiVersion: string; kind: string },
    namespace: string | undefined,
    select: ListOptions,
    visit: (items: object[]) => void,
  ): Promise<void> {
    const served = await this.resource(object.apiVersion, object.kind);
    if (!served) return;
    const scope = served.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : "";
    await this.pages(`${apiRoot(object.apiVersion)}${scope}/${served.plural}`, { ...select }, visit);
  }

  private async pages(
    path: string,
    query: Record<string, string | undefined>,
    visit: (items: object[]) => void,
  ): Promise<void> {
    let page = await this.page(path, { ...query, limit: `${PAGE}` });
    if (page.metadata?.continue && sizeOf(page) <= ONE_PIECE) return this.whole(path, query, visit);
    visit(page.items);
    for (let next = page.metadata?.continue; next; next = page.metadata?.continue) {
      page = await this.page(path, { ...query, limit: `${PAGE}`, continue: next });
      visit(page.items);
    }
  }

  private async page(path: string, query: Record<string, string | undefined>) {
    const answer = listSchema.safeParse(await this.request("GET", path, { query }));
    return answer.success ? answer.data : named(`GET ${path}`)(noList());
  }

  /** A list in one piece, its items handed on while it arrives. */
  private async whole(path: string, query: RequestOptions["query"], visit: (items: object[]) => void): Promise<void> {
    const read = async () => {
      const items = new ListItems(visit);
      const sink = (part: Buffer) => {
        if (!items.push(part)) throw noList();
      };
      const { code, body } = await this.transport.send("GET", path, { query, sink });
      if (code >= 400) throw refusal(code, body.toString());
      if (!items.end()) throw noList();
    };
    await read().catch(named(`GET ${path}`));
  }
}

/** @throws ApiError for a refusal, UnreachableError for what is no answer of an API server. */
function objectIn({ code, body }: RawAnswer): object {
  const text = body.toString();
  if (code >= 400) throw refusal(code, text);
  const answer = parseAnswer(text);
  if (isMap(answer)) return answer;
  throw new UnreachableError("the answer is no object; what answers there is not a Kubernetes API server");
}

function noList(): UnreachableError {
  return new UnreachableError("the answer is no list; what answers there is not a Kubernetes API server");
}

/** Says in an error which request it came of. */
function named(request: string): (error: unknown) => never {
  return (error) => {
    if (error instanceof ApiError || error instanceof UnreachableError) error.request ??= request;
    throw error;
  };
}

function refusal(code: number, text: string): ApiError {
  const status = statusSchema.safeParse(parseAnswer(text));
  return new ApiError(code, status.data?.reason ?? "", status.data?.message || text || `HTTP status ${code}`);
}

/**
 * Characters of a whole list, judged by its first page; unknown (infinite) where the server does not say how many
 * objects follow.
 */
function sizeOf({ items, metadata }: z.infer<typeof listSchema>): number {
  const all = items.length + (metadata?.remainingItemCount ?? Infinity);
  return (JSON.stringify(items).length / items.length) * all;
}

function parseAnswer(text: string): unknown {
  if (!text.startsWith("{")) return text;
  try {
    return JSON.parse(text);
  } catch {
    throw new UnreachableError("the answer is not JSON; what answers there is not a Kubernetes API server");
  }
}

/** An aggregated API whose server is down must not stop an upgrade that does not need it. */
function brokenIsEmpty(error: unknown): Kinds {
  if (error instanceof ApiError) return new Map();
  throw error;
}

function apiRoot(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}
