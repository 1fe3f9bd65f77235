import { containerEnvironment, type PodSurroundings } from "../../components/database-backup/environment";
import { digList } from "../../kubernetes/objects";
import { textOf } from "../../kubernetes/pod-templates";
import { isWildFly, keycloakServer, keycloakVersion } from "./keycloak-server";
import type { RuntimeWorkload } from "./schema";

type Clustering = NonNullable<RuntimeWorkload["clustering"]>;

/** Stacks by which pods find each other without multicast, which pod networks do not carry. */
const STACKS = ["kubernetes", "jdbc-ping", "jdbc-ping-udp", "tcp", "azure", "ec2", "google"];
/** How WildFly's pods find each other by multicast. */
const MULTICAST = /^(?:M?PING|)$/;

/**
 * Whether several pods of a Keycloak share their sessions. `start-dev` keeps them in a local cache, `start` in a
 * distributed one (https://www.keycloak.org/server/caching); the stack by which pods find each other is `jdbc-ping` by
 * default from 26.1 on, before that UDP multicast. What cannot be told from image, command and environment counts as
 * not clustered, and is said to be unknown.
 */
export function keycloakClustering(
  podSpec: unknown,
  surroundings: PodSurroundings = { at: "", namespace: "", config: [] },
): Clustering {
  const fields = keycloakServer(podSpec)?.fields ?? {};
  const image = textOf(fields["image"]) ?? "";
  const { variables, unread } = containerEnvironment(fields, surroundings);
  const missing = (why: string): Clustering =>
    unread.length === 0
      ? no(why)
      : unknown(`${why}, unless ${unread.join(", ")} says otherwise, which is not read here`);
  if (isWildFly(image)) return wildFly(variables, missing);

  const words = [
    ...digList(fields, "command"),
    ...digList(fields, "args"),
    variables.get("KEYCLOAK_EXTRA_ARGS"),
  ].flatMap((word) => (textOf(word) ?? "").split(/\s+/).filter((part) => part !== ""));
  const option = (flag: string, ...names: string[]) =>
    words.find((word) => word.startsWith(`--${flag}=`))?.slice(flag.length + 3) ??
    (words.includes(`--${flag}`) ? words[words.indexOf(`--${flag}`) + 1] : undefined) ??
    names.map((name) => variables.get(name)).find((value) => value !== undefined && value !== "");

  // Bitnami's image starts by a variable, and has a distributed cache unless another one says otherwise.
  const production = variables.get("KEYCLOAK_PRODUCTION");
  const isBitnami = production !== undefined || /bitnami/i.test(image);
  const mode = words.find((word) => word === "start" || word === "start-dev") ?? bitnamiMode(isBitnami, production);
  const cache = option("cache", "KC_CACHE", "KEYCLOAK_CACHE_TYPE") ?? (isBitnami ? "ispn" : undefined);
  if (cache === "local") return no("its cache is local (KC_CACHE or --cache)");
  if (mode === "start-dev" && cache !== "ispn") return missing("start-dev keeps sessions in a local cache");
  if (option("cache-config-file", "KC_CACHE_CONFIG_FILE", "KEYCLOAK_CACHE_CONFIG_FILE")) {
    return yes("it has a cache configuration of its own");
  }
  const stack = option("cache-stack", "KC_CACHE_STACK", "KEYCLOAK_CACHE_STACK");
  if (stack !== undefined) {
    if (STACKS.includes(stack)) return yes(`cache stack ${stack}`);
    return no(`cache stack ${stack} does not find other pods in a pod network`);
  }
  const version = keycloakVersion(image);
  if (mode === undefined && cache !== "ispn") {
    const why = "its command does not say that it runs in production mode (start)";
    return version === undefined || words.length > 0 ? unknown(`${why}; its image may`) : missing(why);
  }
  if (version === undefined || (version.major === 26 && version.minor === undefined)) {
    return unknown(
      "no cache stack is set, and what is the default depends on the version, which its image does not say",
    );
  }
  const { major, minor = 0 } = version;
  return major > 26 || (major === 26 && minor >= 1)
    ? yes("pods find each other by the database (jdbc-ping, the default from 26.1 on)")
    : missing("no cache stack is set, and before 26.1 the default is multicast; set KC_CACHE_STACK");
}

function bitnamiMode(isBitnami: boolean, production = ""): string | undefined {
  if (!isBitnami) return undefined;
  return /^(?:true|yes|1)$/i.test(production) ? "start" : "start-dev";
}

/** Before 17: pods find each other by a protocol of JGroups, and a session is kept by as many as own it. */
function wildFly(variables: ReadonlyMap<string, string>, missing: (why: string) => Clustering): Clustering {
  const of = (name: string) => variables.get(name) ?? variables.get(`KEYCLOAK_${name}`) ?? "";
  const protocol = (of("JGROUPS_DISCOVERY_PROTOCOL") || of("JGROUPS_PING_PROTOCOL")).replace(/^.*\./, "");
  if (MULTICAST.test(protocol)) {
    return missing("before 17 pods look for each other by multicast; set JGROUPS_DISCOVERY_PROTOCOL");
  }
  const owners = of("CACHE_OWNERS_COUNT");
  return Number(owners) >= 2
    ? yes(`pods find each other by ${protocol}, and ${owners} keep each session`)
    : missing("only one pod keeps each session, which goes with it; set CACHE_OWNERS_COUNT to 2");
}

const yes = (why: string): Clustering => ({ clustered: true, why });
const no = (why: string): Clustering => ({ clustered: false, why });
const unknown = (why: string): Clustering => ({ clustered: false, unknown: true, why });
