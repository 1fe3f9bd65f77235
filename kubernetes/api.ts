import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { isMap } from "./objects";
import { DISCOVERY_ACCEPT, kindsByVersion, type ServedResource, versionsIn, type Kinds } from "./discovery";

export type { ServedResource } from "./discovery";

/** What the API server answered when it refused. */
export class ApiError extends Error {
  /** Method and path; undefined when it was no single request. */
  request?: string;

  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** The API server did not answer, or what answered is none. */
export class UnreachableError extends Error {
  /** Method and path of the request. */
  request?: string;
}

/** The rest of a long list is gone from etcd's history, because reading it took too long. */
export function isExpired(error: unknown): boolean {
  return error instanceof ApiError && error.code === 410;
}

/** Where the API server is and how to log in; the library's `KubeConfig` is one. */
export interface ApiAccess {
  getCurrentCluster(): { server: string } | null;
  applyToHTTPSOptions(options: https.RequestOptions): Promise<void>;
}

export interface RequestOptions {
  body?: unknown;
  contentType?: string;
  query?: Record<string, string | undefined>;
  /** Default `application/json`. */
  accept?: string;
  /** Resolve to the answer as it came, for logs. */
  text?: boolean;
}

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

/** Requests under way at once; more only queue up at the API server. */
const MAX_SOCKETS = 16;
/** Objects of one page of a list. */
const PAGE = 500;
/**
 * Largest answer, in characters, that a list is taken as in one piece. The API server answers such a request from its
 * memory (Kubernetes 1.31 and newer), but reads pages from etcd: 50,000 small objects took it 2.7 s of processor time
 * instead of 11.7 s.
 */
const ONE_PIECE = 32 * 1024 * 1024;
/** Credentials are asked for again after this time, in milliseconds: those of credential plugins live minutes only. */
const CREDENTIALS_MS = 60_000;
/** How often a request is sent again when the API server is too busy, and the longest pause before that in seconds. */
const BUSY = { retries: 3, maxPause: 5 };

/** An answer as it came. */
export interface RawAnswer {
  /** HTTP status. */
  code: number;
  contentType: string;
  body: Buffer;
}

interface Answer extends RawAnswer {
  /** Seconds. */
  retryAfter?: number;
}

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
  /** Requests sent so far. */
  requestCount = 0;
  private credentials: Promise<https.RequestOptions> | undefined;
  private credentialsUntil = 0;
  private agent: { agent: http.Agent; tls: object } | undefined;
  private readonly discovered = new Map<string, Promise<Kinds>>();
  private remembered: Map<string, Promise<unknown>> | undefined;

  /** @param timeoutSeconds longest wait for one answer, or between two parts of one. */
  constructor(
    private readonly endpoint: ApiAccess,
    private timeoutSeconds = 60,
  ) {}

  /** @param seconds longest wait for one answer, from now on. */
  setTimeout(seconds: number): void {
    this.timeoutSeconds = seconds;
  }

  /**
   * Sends one request; resolves to the parsed answer. Sent again when the API server says it is too busy.
   *
   * @throws ApiError when the server refuses, UnreachableError when it does not answer.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    try {
      return await this.answerOf(method, path, options);
    } catch (error) {
      if (error instanceof ApiError || error instanceof UnreachableError) error.request ??= `${method} ${path}`;
      throw error;
    }
  }

  private async answerOf(method: string, path: string, options: RequestOptions): Promise<unknown> {
    const { code, body } = await this.sendPatiently(method, this.url(path, options), options);
    const text = body.toString();
    if (code < 400 && options.text) return text;
    const answer = parseAnswer(text);
    if (code < 400 && isMap(answer)) return answer;
    if (code < 400)
      throw new UnreachableError("the answer is no object; what answers there is not a Kubernetes API server");
    const status = statusSchema.safeParse(answer);
    throw new ApiError(code, status.data?.reason ?? "", status.data?.message || text || `HTTP status ${code}`);
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
    return this.sendPatiently("GET", this.url(path), { accept });
  }

  private url(path: string, { query = {} }: RequestOptions = {}): URL {
    const server = this.endpoint.getCurrentCluster()?.server ?? "";
    const url = new URL(server.replace(/\/$/, "") + path);
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, value);
    }
    return url;
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

  private async sendPatiently(method: string, url: URL, options: RequestOptions): Promise<Answer> {
    for (let attempt = 0; ; attempt++) {
      const answer = await this.send(method, url, options);
      if (answer.code !== 429 || attempt >= BUSY.retries) return answer;
      await sleep(Math.min(answer.retryAfter ?? 1, BUSY.maxPause) * 1000);
    }
  }

  /**
   * Opens an answer that goes on: a watch.
   *
   * @param signal ends it; there is no time limit but this.
   * @throws ApiError when the server refuses, UnreachableError when it does not answer.
   */
  async open(path: string, query: RequestOptions["query"], signal: AbortSignal): Promise<http.IncomingMessage> {
    const url = this.url(path, { query });
    const { request: options } = await this.prepare("GET", url, {});
    this.requestCount++;
    const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
      // A connection of its own: what goes on for long must not take one of those that all others share.
      const agent = isProxy(options.agent) ? options.agent : false;
      const request = (url.protocol === "http:" ? http : https).request(url, { ...options, agent, signal }, resolve);
      request.on("error", (error) => reject(new UnreachableError(reasonOf(error))));
      request.end();
    });
    const code = response.statusCode ?? 0;
    if (code < 400) return response;
    response.resume();
    throw new ApiError(code, "", `HTTP status ${code}`);
  }

  private async send(method: string, url: URL, options: RequestOptions): Promise<Answer> {
    const { request, payload } = await this.prepare(method, url, options);
    try {
      return await this.exchange(url, request, payload);
    } catch (error) {
      // The server may close an idle connection at the moment we use it; nothing was answered, and a GET can be
      // repeated.
      if (method === "GET" && error instanceof StaleConnection) return this.exchange(url, request, payload);
      throw error;
    }
  }

  private async prepare(method: string, url: URL, options: RequestOptions) {
    const { agent: given, ...login } = await this.login();
    const agent = this.agentFor(url, login, given);
    const payload = options.body === undefined ? undefined : JSON.stringify(options.body);
    const headers: http.OutgoingHttpHeaders = {
      ...(login.headers as http.OutgoingHttpHeaders | undefined),
      accept: options.accept ?? "application/json",
    };
    if (payload !== undefined) {
      headers["content-type"] = options.contentType ?? "application/json";
      headers["content-length"] = Buffer.byteLength(payload);
    }
    const request = { ...(url.protocol === "http:" ? { auth: login.auth } : login), agent, method, headers };
    return { request, payload };
  }

  private exchange(url: URL, options: https.RequestOptions, payload: string | undefined): Promise<Answer> {
    this.requestCount++;
    return new Promise((resolve, reject) => {
      const request = (url.protocol === "http:" ? http : https).request(url, options);
      // A socket's own time-out starts only once it is connected, so a server that drops packets would never run into
      // it.
      const timer = setTimeout(
        () => request.destroy(new Error(`no answer within ${this.timeoutSeconds} s`)),
        this.timeoutSeconds * 1000,
      );
      const fail = (error: Error) => {
        clearTimeout(timer);
        reject(
          request.reusedSocket && isReset(error)
            ? new StaleConnection(error.message)
            : new UnreachableError(reasonOf(error)),
        );
      };
      request.on("error", fail);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => {
          timer.refresh();
          chunks.push(chunk);
        });
        response.on("error", fail);
        response.on("end", () => {
          clearTimeout(timer);
          const retryAfter = Number(response.headers["retry-after"]);
          const contentType = response.headers["content-type"] ?? "application/json";
          const answer = { code: response.statusCode ?? 0, contentType, body: Buffer.concat(chunks) };
          resolve(Number.isFinite(retryAfter) ? { ...answer, retryAfter } : answer);
        });
      });
      request.end(payload);
    });
  }

  private login(): Promise<https.RequestOptions> {
    if (this.credentials && Date.now() < this.credentialsUntil) return this.credentials;
    const fresh = async () => {
      const options: https.RequestOptions = {};
      await this.endpoint.applyToHTTPSOptions(options);
      return options;
    };
    this.credentialsUntil = Date.now() + CREDENTIALS_MS;
    this.credentials = fresh();
    this.credentials.catch(() => (this.credentials = undefined));
    return this.credentials;
  }

  /** One agent for all requests, so that connections are kept; a new one only when the certificates are. */
  private agentFor(url: URL, login: https.RequestOptions, given: https.RequestOptions["agent"]): http.Agent {
    if (isProxy(given)) return given;
    const { ca, cert, key, rejectUnauthorized, servername, pfx, passphrase } = login;
    const tls = { ca, cert, key, rejectUnauthorized, servername, pfx, passphrase };
    if (!this.agent || !isDeepStrictEqual(this.agent.tls, tls)) {
      const options = { keepAlive: true, maxSockets: MAX_SOCKETS };
      const agent = url.protocol === "http:" ? new http.Agent(options) : new https.Agent({ ...options, ...tls });
      this.agent = { agent, tls };
    }
    return this.agent.agent;
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
      return await this.once(path, () => this.request("GET", path));
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    }
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
    try {
      await this.pages(path, query, (page) => (items = items.concat(page)));
      return items;
    } catch (error) {
      // The rest of a list that took too long is gone from etcd's history: take it in one piece.
      if (!isExpired(error)) throw error;
      return (await this.page(path, query)).items;
    }
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
    if (page.metadata?.continue && sizeOf(page) <= ONE_PIECE) {
      page = await this.page(path, query);
    }
    visit(page.items);
    for (let next = page.metadata?.continue; next; next = page.metadata?.continue) {
      page = await this.page(path, { ...query, limit: `${PAGE}`, continue: next });
      visit(page.items);
    }
  }

  private async page(path: string, query: Record<string, string | undefined>) {
    const answer = listSchema.safeParse(await this.request("GET", path, { query }));
    if (answer.success) return answer.data;
    const error = new UnreachableError("the answer is no list; what answers there is not a Kubernetes API server");
    error.request = `GET ${path}`;
    throw error;
  }
}

/**
 * Characters of a whole list, judged by its first page; unknown (infinite) where the server does not say how many
 * objects follow.
 */
function sizeOf({ items, metadata }: z.infer<typeof listSchema>): number {
  const all = items.length + (metadata?.remainingItemCount ?? Infinity);
  return (JSON.stringify(items).length / items.length) * all;
}

/** The server had closed the kept connection that a request was sent on. */
class StaleConnection extends UnreachableError {}

function isReset(error: Error): boolean {
  return ["ECONNRESET", "EPIPE"].includes((error as NodeJS.ErrnoException).code ?? "");
}

/** The reason in one text; a host with several addresses gives an error of errors, without a message of its own. */
function reasonOf(error: Error): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  return first instanceof Error ? first.message : error.message;
}

/** The library gives an agent for every cluster; one that is no plain agent is there for a proxy. */
function isProxy(agent: https.RequestOptions["agent"]): agent is http.Agent {
  return agent instanceof http.Agent && agent.constructor !== https.Agent && agent.constructor !== http.Agent;
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
