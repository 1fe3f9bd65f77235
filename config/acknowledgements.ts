import { z } from "zod";

/** A finding of a policy that somebody accepts for a time. */
export interface Acknowledgement {
  /** Name of the policy. */
  policy: string;
  /** Last day on which it counts, as YYYY-MM-DD (UTC). */
  until: string;
  reason: string;
}

const ENTRY = /^(\d{4}-\d{2}-\d{2}):?\s+(\S.*)$/s;

/** The config key: policy name to `YYYY-MM-DD reason`. */
export const acknowledgeSchema = z
  .record(
    z.string().regex(/^[a-z][a-z0-9-]*$/),
    z.string().refine(isEntry).meta({ allowed: "`YYYY-MM-DD reason`, the day being the last on which it counts" }),
  )
  .default({})
  .transform((entries) => Object.entries(entries).flatMap(([policy, text]) => parse(policy, text)))
  .meta({
    description:
      "findings of policies that are accepted for a time: the policy's name, and `YYYY-MM-DD reason`; after that day the " +
      "policy refuses again. docs/policies.md says which policies take one",
    example: { "keycloak-highly-available": "2026-12-01 maintenance window CHG-4711" },
  });

function isEntry(text: string): boolean {
  const day = ENTRY.exec(text)?.[1];
  const date = new Date(`${day ?? ""}T00:00:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(day ?? "?");
}

function parse(policy: string, text: string): Acknowledgement[] {
  const [, until, reason] = ENTRY.exec(text) ?? [];
  return until === undefined || reason === undefined ? [] : [{ policy, until, reason: reason.trim() }];
}
