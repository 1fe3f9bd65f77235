import * as http from "node:http";
import * as https from "node:https";
import { setTimeout as sleep } from "node:timers/promises";
import { isDeepStrictEqual } from "node:util";
import { ApiError, UnreachableError } from "./api-errors";

/** Where the API server is and how to log in; the library's `KubeConfig` is one. */
export interface ApiAccess {
  getCurrentCluster(): { server: string } | null;
  applyToHTTPSOptions(options: https.RequestOptions): Promise<Login | void>;
}

/** How long credentials are good for: milliseconds since 1970; undefined where that is not known. */
export interface Login {
  readonly until: number | undefined;
}

export interface RequestOptions {
  body?: unknown;
  contentType?: string;
  query?: Record<string, string | undefined>;
  /** Default `application/json`. */
  accept?: string;
  /** Resolve to the answer as it came, for logs. */
  text?: boolean;
  /** Is given the parts of an answer that is no refusal, instead of having it held. */
  sink?: (part: Buffer) => void;
}

/** Requests under way at once; more only queue up at the API server. */
const MAX_SOCKETS = 16;
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

/** Sends requests to one API server: connections, credentials, time limits, and what may be sent again. */
export class Transport {
  /** Requests sent so far. */
  requestCount = 0;
  private credentials: Promise<https.RequestOptions> | undefined;
  private credentialsUntil = 0;
  private agent: { agent: http.Agent; tls: object } | undefined;

  /** @param timeoutSeconds longest wait for one answer, or between two parts of one. */
  constructor(
    private readonly endpoint: ApiAccess,
    public timeoutSeconds: number,
  ) {}

  private url(path: string, query: RequestOptions["query"] = {}): URL {
    const server = this.endpoint.getCurrentCluster()?.server ?? "";
    const url = new URL(server.replace(/\/$/, "") + path);
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, value);
    }
    return url;
  }

  /**
   * Sends a request, and again when the API server says that it is too busy.
   *
   * @throws UnreachableError when it does not answer.
   */
  async send(method: string, path: string, options: RequestOptions): Promise<RawAnswer> {
    const url = this.url(path, options.query);
    for (let attempt = 0; ; attempt++) {
      const answer = await this.sendOnce(method, url, options);
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
    const url = this.url(path, query);
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

  private async sendOnce(method: string, url: URL, options: RequestOptions): Promise<Answer> {
    const { request, payload } = await this.prepare(method, url, options);
    try {
      return await this.exchange(url, request, payload, options.sink);
    } catch (error) {
      // The server may close an idle connection at the moment we use it; nothing was answered, and a GET can be
      // repeated.
      if (method === "GET" && error instanceof StaleConnection)
        return this.exchange(url, request, payload, options.sink);
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

  private exchange(
    url: URL,
    options: https.RequestOptions,
    payload: string | undefined,
    sink: RequestOptions["sink"],
  ): Promise<Answer> {
    this.requestCount++;
    return new Promise((resolve, reject) => {
      let handedOn = false;
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
          request.reusedSocket && isReset(error) && !handedOn
            ? new StaleConnection(error.message)
            : new UnreachableError(reasonOf(error)),
        );
      };
      request.on("error", fail);
      request.on("response", (response) => {
        const chunks: Buffer[] = [];
        const hold = (chunk: Buffer) => chunks.push(chunk);
        const take = sink && (response.statusCode ?? 0) < 400 ? sink : hold;
        response.on("data", (chunk: Buffer) => {
          if (request.destroyed) return;
          timer.refresh();
          handedOn ||= take === sink;
          try {
            take(chunk);
          } catch (error) {
            // Of who takes it, and not of the connection.
            clearTimeout(timer);
            reject(error instanceof Error ? error : new Error(String(error)));
            request.destroy();
          }
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
      const login = await this.endpoint.applyToHTTPSOptions(options);
      this.credentialsUntil = Math.min(this.credentialsUntil, login?.until ?? Infinity);
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
