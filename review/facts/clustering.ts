import { parseImage } from "../../kubernetes/image";
import { dig, digList } from "../../kubernetes/objects";
import { containersOf, textOf } from "../../kubernetes/pod-templates";
import type { RuntimeWorkload } from "./schema";

/** Stacks by which pods find each other without multicast, which pod networks do not carry. */
const STACKS = ["kubernetes", "jdbc-ping", "jdbc-ping-udp", "tcp", "azure", "ec2", "google"];

/**
 * Whether several pods of a Keycloak share their sessions. `start-dev` keeps them in a local cache, `start` in a
 * distributed one (https://www.keycloak.org/server/caching); the stack by which pods find each other is `jdbc-ping` by
 * default from 26.1 on, before that UDP multicast. What cannot be told from command and environment counts as not
 * clustered.
 */
export function keycloakClustering(podSpec: unknown): NonNullable<RuntimeWorkload["clustering"]> {
  const container = containersOf(podSpec).find(
    ({ init, fields, name }) => !init && /keycloak/i.test(`${name} ${textOf(fields["image"]) ?? ""}`),
  );
  const fields = container?.fields ?? {};
  const words = [...digList(fields, "command"), ...digList(fields, "args")].flatMap((word) =>
    (textOf(word) ?? "").split(/\s+/),
  );
  const env = new Map(digList(fields, "env").map((entry) => [textOf(dig(entry, "name")), textOf(dig(entry, "value"))]));
  const option = (flag: string, variable: string) =>
    words.find((word) => word.startsWith(`--${flag}=`))?.slice(flag.length + 3) ??
    (words.includes(`--${flag}`) ? words[words.indexOf(`--${flag}`) + 1] : undefined) ??
    env.get(variable);

  const cache = option("cache", "KC_CACHE");
  if (cache === "local") return no("its cache is local (KC_CACHE or --cache)");
  if (words.includes("start-dev") && cache !== "ispn") return no("start-dev keeps sessions in a local cache");
  if (option("cache-config-file", "KC_CACHE_CONFIG_FILE")) return yes("it has a cache configuration of its own");
  const stack = option("cache-stack", "KC_CACHE_STACK");
  if (stack !== undefined) {
    if (STACKS.includes(stack)) return yes(`cache stack ${stack}`);
    return no(`cache stack ${stack} does not find other pods in a pod network`);
  }
  if (!words.includes("start") && cache !== "ispn") {
    return no("its command does not say that it runs in production mode (start)");
  }
  const [major = 0, minor = 0] = versionOf(textOf(fields["image"]) ?? "");
  return major > 26 || (major === 26 && minor >= 1)
    ? yes("pods find each other by the database (jdbc-ping, the default from 26.1 on)")
    : no("no cache stack is set, and before 26.1 the default is multicast; set KC_CACHE_STACK");
}

const yes = (why: string) => ({ clustered: true, why });
const no = (why: string) => ({ clustered: false, why });

function versionOf(image: string): number[] {
  const tag = /^v?(\d+)(?:\.(\d+))?/.exec(parseImage(image).tag ?? "");
  return [Number(tag?.[1] ?? 0), Number(tag?.[2] ?? 0)];
}
