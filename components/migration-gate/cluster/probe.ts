import * as http from "node:http";
import { oneLine } from "../../../diagnosis/explanation";
import { type KubectlAccess, kubectlProblem, startKubectl } from "../../../kubernetes/kubectl";

/** Longest wait for the tunnel and for the answer, in milliseconds each. */
const LIMIT_MS = 10_000;
/** Characters of an answer's body that an error quotes. */
const QUOTE = 200;

/**
 * Asks one pod over `kubectl port-forward`, which ends inside the pod: neither network policies nor a mesh's mTLS stand
 * in between, as they may do for the API server's proxy.
 *
 * @returns undefined when it answers with 2xx, else what is wrong.
 */
export async function probePod(
  access: KubectlAccess,
  pod: { namespace: string; name: string },
  probe: { path: string; port: number },
): Promise<string | undefined> {
  const args = ["port-forward", "--address", "127.0.0.1", "--namespace", pod.namespace, `pod/${pod.name}`];
  const child = startKubectl(access, [...args, `:${probe.port}`]);
  try {
    const port = await localPort(child);
    return await ask(port, probe.path);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  } finally {
    child.kill("SIGKILL");
    await child.catch(() => undefined);
  }
}

function localPort(child: ReturnType<typeof startKubectl>): Promise<number> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error("kubectl port-forward did not start in time")), LIMIT_MS);
    let seen = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      seen += chunk.toString();
      const port = /Forwarding from 127\.0\.0\.1:(\d+)/.exec(seen)?.[1];
      if (port === undefined) return;
      clearTimeout(timer);
      resolve(Number(port));
    });
    void child.then(({ stderr }) => {
      clearTimeout(timer);
      reject(new Error(`kubectl port-forward: ${kubectlProblem(stderr)}`));
    });
  });
}

/** A redirect is no answer: what it leads to would not come from this pod. */
function ask(port: number, path: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: "127.0.0.1", port, path, agent: false }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => {
        if (body.length < QUOTE) body += text;
      });
      response.on("error", reject);
      response.on("end", () => {
        clearTimeout(timer);
        const status = response.statusCode ?? 0;
        if (status >= 200 && status < 300) return resolve(undefined);
        const said = oneLine(body.slice(0, QUOTE)).trim();
        resolve(`HTTP status ${status}${said ? `: ${said}` : ""}`);
      });
    });
    const timer = setTimeout(() => request.destroy(new Error(`no answer within ${LIMIT_MS / 1000} s`)), LIMIT_MS);
    request.on("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
