import { UserError } from "../shared/user-error";
import { ApiError, UnreachableError } from "./api";
import { oneLine } from "./rejections";

/**
 * What a user is told of a request that nobody expected to fail: what was asked, of which object, the answer, and what
 * to do. Any other error is given back as it is.
 */
export function explainRequest(error: unknown): unknown {
  if (error instanceof UnreachableError) {
    return new UserError(
      "connection",
      `the API server did not answer ${about(error.request)}: ${error.message}`,
      "repeat when it is reachable (network, VPN, proxy, server down)",
    );
  }
  if (!(error instanceof ApiError)) return error;
  const answer = `${error.code}${error.reason ? ` ${error.reason}` : ""}: ${brief(error.message)}`;
  return new UserError("connection", `the API server refused ${about(error.request)} (${answer})`, fixOf(error));
}

function fixOf({ code, message }: ApiError): string {
  const crd = /conversion webhook for ([^,]+), Kind=([^ ]+) failed/.exec(message);
  if (crd) {
    return (
      `repair the conversion webhook of kind ${crd[2] ?? ""} (${crd[1] ?? ""}), which converts its objects between versions: ` +
      "the Service that the CRD's spec.conversion.webhook names, and the pods behind it; then repeat"
    );
  }
  const webhook = /failed calling webhook "([^"]+)"/.exec(message)?.[1];
  if (webhook) return `repair what serves webhook ${webhook}, then repeat`;
  switch (code) {
    case 401:
      return "log in again: the credentials of the context have expired, or are not known any more";
    case 403:
      return "have an administrator grant it, or use a context that may (kubectl auth can-i --list)";
    case 404:
      return "it is gone, or its kind is no longer served: repeat, and look what removes it when that does not help";
    case 409:
      return "somebody else changes it at the same time: repeat";
    case 410:
      return "the list took longer than the API server keeps one: repeat when it has less to do";
    case 429:
      return "the API server has too much to do: repeat later";
    default:
      return code >= 500
        ? "the API server, or etcd behind it, is not well: look at its log, and repeat when it is"
        : "repeat; if it stays, something between here and the API server (a proxy, an aggregated API) does not understand the request";
  }
}

/** A request in words: `reading secrets of namespace a`. */
function about(request: string | undefined): string {
  const [method = "", path = ""] = (request ?? "").split(" ");
  if (path === "") return "a request";
  const verbs: Record<string, string> = {
    GET: "reading",
    POST: "creating",
    PUT: "replacing",
    PATCH: "changing",
    DELETE: "deleting",
  };
  const [, namespace, rest] = /\/namespaces\/([^/]+)\/(.+)$/.exec(path) ?? [];
  const what = rest ?? path.replace(/^\/(?:api\/v1|apis\/[^/]+\/[^/]+)\//, "");
  return `${verbs[method] ?? method} ${what}${namespace === undefined ? "" : ` of namespace ${namespace}`}`;
}

function brief(text: string): string {
  const line = oneLine(text);
  return line.length <= 500 ? line : `${line.slice(0, 500)}…`;
}
