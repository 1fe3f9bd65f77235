import type * as https from "node:https";
import { BlockList, isIP } from "node:net";

/**
 * The proxy that the environment names for a server, chosen as Go's programs do (kubectl, helm, Pulumi's plugins):
 * `HTTPS_PROXY` or `HTTP_PROXY` by the server's scheme, not for what `NO_PROXY` lists, never for this machine. Source:
 * golang.org/x/net/http/httpproxy.
 */
export function proxyFor(server: string, environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const url = new URL(server);
  const named = (name: string) => environment[name] || environment[name.toLowerCase()] || "";
  const proxy = named(url.protocol === "http:" ? "HTTP_PROXY" : "HTTPS_PROXY");
  if (proxy === "" || isPassedBy(url, named("NO_PROXY"))) return undefined;
  return /^(https?|socks5h?):\/\//.test(proxy) ? proxy : `http://${proxy}`;
}

function isPassedBy(url: URL, noProxy: string): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "").toLowerCase();
  if (host === "localhost" || isLoopback(host)) return true;
  const port = url.port || (url.protocol === "http:" ? "80" : "443");
  return noProxy
    .toLowerCase()
    .split(",")
    .map((entry) => entry.trim())
    .some((entry) => entry !== "" && matches(entry, host, port));
}

function matches(entry: string, host: string, port: string): boolean {
  if (entry === "*") return true;
  const [, network = "", prefix] = /^([0-9a-f.:]+)\/(\d+)$/.exec(entry) ?? [];
  if (isIP(network)) return contains(network, Number(prefix), host);
  const [, bracketed, plain, ofPort] = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(entry) ?? [];
  const name = bracketed ?? plain ?? entry;
  if (ofPort !== undefined && ofPort !== port) return false;
  if (isIP(name)) return contains(name, isIP(name) === 4 ? 32 : 128, host);
  // `example.com` is the host and those below it, `.example.com` and `*.example.com` those below it only.
  const domain = name.replace(/^\*(?=\.)/, "");
  return host.endsWith(domain.startsWith(".") ? domain : `.${domain}`) || host === domain;
}

function contains(network: string, prefix: number, host: string): boolean {
  const family = isIP(host);
  if (family === 0 || isIP(network) !== family || prefix > (family === 4 ? 32 : 128)) return false;
  const list = new BlockList();
  list.addSubnet(network, prefix, family === 4 ? "ipv4" : "ipv6");
  return list.check(host, family === 4 ? "ipv4" : "ipv6");
}

function isLoopback(host: string): boolean {
  return contains("127.0.0.0", 8, host) || contains("::1", 128, host);
}

/** The agent whose connections to `server` go through `proxy`. @param tls of the connection to the server. */
export async function proxyAgent(server: string, proxy: string, tls: https.AgentOptions): Promise<https.Agent> {
  const { protocol } = new URL(server);
  if (proxy.startsWith("socks")) {
    const { SocksProxyAgent } = await import("socks-proxy-agent");
    return new SocksProxyAgent(proxy, tls);
  }
  const { HttpProxyAgent, HttpsProxyAgent } = await import("hpagent");
  const options = { keepAlive: true, proxy, ...tls };
  return protocol === "http:" ? (new HttpProxyAgent(options) as unknown as https.Agent) : new HttpsProxyAgent(options);
}
