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
  z.strictObject({
    kind: z.literal("pvc"),
    /** Of the release: a pod mounts claims of its own namespace only, and this is the one that the user may work in. */
    namespace: z.string(),
    claim: z.string(),
    /** Below the root of the volume, without slashes at its ends; may be empty. */
    folder: z.string(),
    /** Image of the helper pod that mounts the claim. */
    image: z.string(),
  }),
]);

export type Destination = z.infer<typeof destination>;
/** A PersistentVolumeClaim as destination. */
export type ClaimDestination = Extract<Destination, { kind: "pvc" }>;

/** What is configured beside the destination, and belongs to one kind of it. */
export interface DestinationSettings {
  /** URL of an S3-compatible server; undefined: AWS. */
  endpoint?: string;
  /** Of the bucket. */
  region: string;
  /** Of the release. */
  namespace: string;
  /** Of the helper pod. */
  image: string;
}

/** Reads a destination that config/backup-destination.ts allows. */
export function parseDestination(text: string, settings: DestinationSettings): Destination {
  const match = /^(s3|pvc):\/\/([^/]+)\/?(.*)$/i.exec(text);
  if (!match) return { kind: "folder", path: text };
  const [, kind = "", name = "", rest = ""] = match;
  const below = rest.replaceAll(/^\/+|\/+$/g, "");
  const { endpoint, region, namespace, image } = settings;
  if (kind.toLowerCase() === "pvc") return { kind: "pvc", namespace, claim: name, folder: below, image };
  return { kind: "s3", bucket: name, prefix: below, ...(endpoint === undefined ? {} : { endpoint }), region };
}

/** As the user wrote it. */
export function destinationText(to: Destination): string {
  if (to.kind === "folder") return to.path;
  const [name, below] = to.kind === "s3" ? [to.bucket, to.prefix] : [to.claim, to.folder];
  return [`${to.kind}:/`, name, below].filter(Boolean).join("/");
}
