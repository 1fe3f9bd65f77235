import * as http from "node:http";
import * as https from "node:https";
import { z } from "zod";
import type { KubeConfig } from "@kubernetes/client-node";

/** What the API server answered when it refused. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    readonly reason: string,
    message: string,
  ) {
    super(message);
  }
}

/** The API server did not answer. */
export class UnreachableError extends Error {}

const statusSchema = z.looseObject({ reason: z.string().optional(), message: z.string().optional() });
const resourceListSchema = z.looseObject({
  resources: z.array(z.looseObject({ name: z.string(), kind: z.string(), namespaced: z.boolean() })),
});

/** One resource type as the API server serves it. */
export interface ServedResource {
  plural: string;
  namespaced: boolean;
}

interface RequestOptions {
  body?: unknown;
  contentType?: string;
  query?: Record<string, string | undefined>;
}

/** Requests under way at once; more only queue up at the API server. */
const MAX_SOCKETS = 16;

/**
 * A small client for any kind of object, with the library's kubeconfig, credentials and TLS. The generated typed clients
 * cover built-in kinds only, and loading them all costs more than a preview's other work.
 */
export class KubeApi {
  /** Requests sent so far. */
  requestCount = 0;
  private tlsOptions: Promise<https.RequestOptions> | undefined;
  private readonly discovered = new Map<string, Promise<Map<string, ServedResource>>>();

  /** @param timeoutSeconds longest wait for one answer. */
  constructor(
    private readonly kubeConfig: KubeConfig,
    private readonly timeoutSeconds = 60,
  ) {}

  private async tls(): Promise<https.RequestOptions> {
    const options: https.RequestOptions = {};
    await this.kubeConfig.applyToHTTPSOptions(options);
    const agent = new https.Agent({ keepAlive: true, maxSockets: MAX_SOCKETS, ...agentOptions(options) });
    return { ...options, agent };
  }

  /**
   * Sends one request; resolves to the parsed answer.
   *
   * @throws ApiError when the server refuses, UnreachableError when it does not answer.
   */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const server = this.kubeConfig.getCurrentCluster()?.server ?? "";
    const url = new URL(server.replace(/\/$/, "") + path);
    for (const [key, value] of Object.entries(options.query ?? {})) {
      if (value !== undefined) url.searchParams.set(key, value);
    }
    const { code, text } = await this.send(method, url, options);
    const answer: unknown = text.startsWith("{") ? JSON.parse(text) : text;
    if (code < 400) return answer;
    const status = statusSchema.safeParse(answer);
    throw new ApiError(code, status.data?.reason ?? "", status.data?.message ?? text);
  }

  private async send(method: string, url: URL, { body, contentType }: RequestOptions) {
    this.requestCount++;
    const tls = await (this.tlsOptions ??= this.tls());
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers: http.OutgoingHttpHeaders = {
      accept: "application/json",
      ...(tls.headers as http.OutgoingHttpHeaders | undefined),
    };
    if (payload !== undefined) {
      headers["content-type"] = contentType ?? "application/json";
      headers["content-length"] = Buffer.byteLength(payload);
    }
    return new Promise<{ code: number; text: string }>((resolve, reject) => {
      const transport = url.protocol === "http:" ? http : https;
      const { agent, ...rest } = tls;
      const options = url.protocol === "http:" ? { method, headers } : { ...rest, agent, method, headers };
      const request = transport.request(url, options, (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => resolve({ code: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
        response.on("error", reject);
      });
      request.setTimeout(this.timeoutSeconds * 1000, () =>
        request.destroy(new Error(`no answer within ${this.timeoutSeconds} s`)),
      );
      request.on("error", (error) => reject(new UnreachableError(error.message)));
      request.end(payload);
    });
  }

  /** Plural name and scope of a kind; undefined when the server does not serve it (now). */
  async resource(apiVersion: string, kind: string): Promise<ServedResource | undefined> {
    const known = (await this.kinds(apiVersion)).get(kind);
    if (known) return known;
    this.discovered.delete(apiVersion); // a CRD created since may serve it
    return (await this.kinds(apiVersion)).get(kind);
  }

  private kinds(apiVersion: string): Promise<Map<string, ServedResource>> {
    const cached = this.discovered.get(apiVersion);
    if (cached) return cached;
    const found = this.discover(apiVersion);
    found.catch(() => this.discovered.delete(apiVersion));
    this.discovered.set(apiVersion, found);
    return found;
  }

  private async discover(apiVersion: string): Promise<Map<string, ServedResource>> {
    try {
      const { resources } = resourceListSchema.parse(await this.request("GET", apiRoot(apiVersion)));
      const own = resources.filter(({ name }) => !name.includes("/"));
      return new Map(own.map(({ kind, name, namespaced }) => [kind, { plural: name, namespaced }]));
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return new Map();
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

  /** Reads an object; undefined when it (or its kind) does not exist. */
  async get(object: { apiVersion: string; kind: string }, namespace: string, name: string): Promise<unknown> {
    try {
      return await this.request("GET", await this.path(object, namespace, name));
    } catch (error) {
      if (error instanceof ApiError && error.code === 404) return undefined;
      throw error;
    }
  }

  /** All objects of a kind in a namespace (all namespaces without one), page by page; none when the kind is not served. */
  async list(object: { apiVersion: string; kind: string }, namespace?: string, labelSelector?: string): Promise<object[]> {
    const served = await this.resource(object.apiVersion, object.kind);
    if (!served) return [];
    const scope = served.namespaced && namespace !== undefined ? `/namespaces/${namespace}` : "";
    const path = `${apiRoot(object.apiVersion)}${scope}/${served.plural}`;
    const found: object[] = [];
    let next: string | undefined;
    do {
      const query = { labelSelector, limit: "500", continue: next };
      const page = listSchema.parse(await this.request("GET", path, { query }));
      // Items of a list carry no kind of their own.
      found.push(...page.items.map((item) => ({ ...item, apiVersion: object.apiVersion, kind: object.kind })));
      next = page.metadata?.continue || undefined;
    } while (next);
    return found;
  }
}

const listSchema = z.looseObject({
  metadata: z.looseObject({ continue: z.string().optional() }).optional(),
  items: z.array(z.looseObject({})).nullish().transform((items) => items ?? []),
});

function apiRoot(apiVersion: string): string {
  return apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
}

function agentOptions({ ca, cert, key, rejectUnauthorized, servername, pfx, passphrase }: https.RequestOptions) {
  return { ca, cert, key, rejectUnauthorized, servername, pfx, passphrase };
}

