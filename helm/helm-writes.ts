import type { IncomingMessage } from "node:http";
import type { RawAnswer } from "../kubernetes/api";
import { isMap } from "../kubernetes/objects";

/** Something that helm sent to change the cluster. */
export interface HelmWrite {
  readonly method: "POST" | "PUT" | "PATCH" | "DELETE";
  /** Of a PATCH, what kind of patch it is. */
  readonly contentType: string;
  readonly query: Record<string, string>;
  readonly body: unknown;
}

export type Look = (path: string, accept: string | undefined) => Promise<RawAnswer>;

const METHODS = ["POST", "PUT", "PATCH", "DELETE"] as const;

/** helm's own record of a revision, which holds all values. */
const RECORD = /\/secrets\/sh\.helm\.release\.v1\.[^/]*$/;

/** What helm wrote while it was shown the cluster; none of it reached the API server. */
export class HelmWrites {
  private readonly found = new Map<string, HelmWrite[]>();

  /** The writes to one object, in helm's order. @param path as the API server has the object. */
  to(path: string): readonly HelmWrite[] {
    return this.found.get(path) ?? [];
  }

  /** Of all objects that were written to. */
  paths(): string[] {
    return [...this.found.keys()];
  }

  /** Notes a write, and answers as if it were done: an update with the object as it is, which helm only looks at. */
  async take(request: IncomingMessage, url: string, look: Look): Promise<RawAnswer> {
    const method = METHODS.find((one) => one === request.method);
    const { accept, "content-type": contentType = "" } = request.headers;
    const sent = await bodyOf(request);
    const [where = "", search] = url.split("?");
    // Of objects of charts helm sends JSON; what is in the form of Go's own types is its record.
    if (contentType === "application/vnd.kubernetes.protobuf") return { code: 200, contentType, body: sent };
    const body = sent.length > 0 ? (JSON.parse(sent.toString()) as unknown) : undefined;
    const name = method === "POST" && isMap(body) && isMap(body["metadata"]) ? body["metadata"]["name"] : undefined;
    const path = decodeURIComponent(typeof name === "string" ? `${where}/${name}` : where);
    if (method && !RECORD.test(path)) {
      const query = Object.fromEntries(new URLSearchParams(search));
      this.found.set(path, [...this.to(path), { method, contentType, query, body }]);
    }
    if (method === "DELETE") return json(200, { kind: "Status", apiVersion: "v1", status: "Success" });
    if (method === "PATCH") return look(where, accept);
    return { code: method === "POST" ? 201 : 200, contentType: "application/json", body: sent };
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts);
}

function json(code: number, value: unknown): RawAnswer {
  return { code, contentType: "application/json", body: Buffer.from(JSON.stringify(value)) };
}
