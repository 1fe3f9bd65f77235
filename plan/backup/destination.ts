import { z } from "zod";

/** Where backups are kept. Credentials of S3 come from the environment, as with every tool that uses it. */
export const destination = z.union([
  z.strictObject({ kind: z.literal("folder"), path: z.string() }),
  z.strictObject({
    kind: z.literal("s3"),
    bucket: z.string(),
    /** Without slashes at its ends; may be empty. */
    prefix: z.string(),
    /** Undefined: AWS. */
    endpoint: z.string().optional(),
    region: z.string(),
  }),
]);

export type Destination = z.infer<typeof destination>;

/** What is allowed as a destination: a folder, or a bucket; no other URL, and no name and password in it. */
export const DESTINATION =
  /^(?:s3:\/\/[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:\/[^\s?#@]*)?|(?![a-z][a-z0-9+.-]*:)[^\s].*)$/i;

/** Reads a destination that {@link DESTINATION} allows. */
export function parseDestination(text: string, s3: { endpoint?: string; region: string }): Destination {
  const match = /^s3:\/\/([^/]+)\/?(.*)$/i.exec(text);
  if (!match) return { kind: "folder", path: text };
  const [, bucket = "", prefix = ""] = match;
  const endpoint = s3.endpoint === undefined ? {} : { endpoint: s3.endpoint };
  return { kind: "s3", bucket, prefix: prefix.replaceAll(/^\/+|\/+$/g, ""), ...endpoint, region: s3.region };
}

/** As the user wrote it. */
export function destinationText(to: Destination): string {
  return to.kind === "folder" ? to.path : ["s3:/", to.bucket, to.prefix].filter(Boolean).join("/");
}
