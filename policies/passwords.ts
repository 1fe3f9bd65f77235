import { passwords } from "./facts";
import { type Finding, policyOf } from "./rule";

/** The chart's defaults are in its repository. */
export const passwordsStrong = policyOf({
  name: "passwords-strong",
  description: "No password is a chart's default, one that everybody tries first, or shorter than 12 characters.",
  enforcementLevel: "advisory",
  acknowledge: true,
  why: "whoever reaches Keycloak or a database from inside the cluster gets in, and issues tokens for every agent",
  review: ({ runtime }) =>
    passwords
      .parse(runtime)
      .passwords.filter(({ problem }) => problem !== null)
      .map(({ where, problem }) => ({
        what: `${where} is ${problem === "default" ? "a default that everybody knows" : "shorter than 12 characters"}`,
        fix: `change it in the database or in Keycloak first (the chart only rewrites the Secret), then: ${secretLine(where)}`,
      })),
  release: (release) =>
    release.leaves().flatMap(({ path, value }): Finding[] => {
      if (!PASSWORD.test(path.at(-1) ?? "")) return [];
      const where = `values.${path.join(".")} of Release ${release.name}`;
      if (value === undefined) return [{ what: `${where} is not known yet`, fix: "give it as plain or secret config" }];
      const text = String(value);
      if (text === "" || (text.length >= 12 && !DEFAULTS.test(text))) return [];
      return [
        { what: `${where} is a default or shorter than 12 characters`, fix: "set a long random one as secret config" },
      ];
    }),
  cannot: "passwords that are the chart's defaults because the values do not set them",
});

/** A value file in a repository is read by more people than the cluster's Secrets. */
export const secretsEncrypted = policyOf({
  name: "secrets-encrypted",
  description: "Passwords and tokens are stored encrypted, not in plain values or value files.",
  enforcementLevel: "mandatory",
  why: "the config is in a repository, in every stack history entry and in helm's record of the release",
  review: ({ runtime }) =>
    passwords
      .parse(runtime)
      .passwords.filter(({ origin, problem }) => origin === "config" && problem !== "default")
      .map(({ where }) => ({
        what: `${where} is set in plain text`,
        fix:
          `${isInList(where) ? "" : "remove it from the values, and: "}${secretLine(where)} ` +
          "(it asks for the value; several lines are read from a file: < FILE); change the password, since it was readable",
      })),
  cannot: "which values of a Release are secret: policies get them all in clear",
});

const PASSWORD = /(pass(word|wd)?|token|api[-_]?key)$/i;
const DEFAULTS = /^(administrator|postgresql|changeme.*)$/i;

/** Where a value is in a list, by its path. */
const IN_LIST = /\[\d+\]/;
const isInList = (where: string) => IN_LIST.test(where);

/**
 * Stores a value encrypted. A list in secretValues would take the place of the whole list in the values, so what is in
 * one is encrypted where it is.
 */
function secretLine(where: string): string {
  const set = "pulumi config set --secret --path";
  if (!where.startsWith("values ")) return `${set} secretValues.<key>`;
  const path = where.slice("values ".length);
  const behind = (key: string) => quoted(`${key}${path.startsWith("[") ? "" : "."}${path}`);
  if (!isInList(where)) return `${set} ${behind("secretValues")}`;
  const list = path.slice(0, path.search(IN_LIST));
  return `move the list ${list} as a whole from the value file to the stack's values, if it is not there, and: ${set} ${behind("values")}`;
}

/** As a shell takes it. */
function quoted(word: string): string {
  return /^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
