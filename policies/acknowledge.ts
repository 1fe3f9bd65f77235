/** The settings of a policy that may be acknowledged. */
export interface AcknowledgeConfig {
  /** How many days ahead; 0: not at all. */
  acknowledgeDays: number;
  /** For Releases of other programs: release name to `YYYY-MM-DD reason`. */
  acknowledge: Record<string, string>;
}

interface Entry {
  policy: string;
  until: string;
  reason: string;
}

const DAY_MS = 24 * 60 * 60 * 1000;

/**
 * Whether a finding is accepted today (UTC), and if an acknowledgement is there that does not count, why not.
 *
 * @param now the current time, for tests.
 */
export function acknowledged(
  policy: string,
  entries: readonly Entry[],
  { acknowledgeDays }: Pick<AcknowledgeConfig, "acknowledgeDays">,
  now = new Date(),
): { accepted: boolean; note?: string } {
  const entry = entries.find((given) => given.policy === policy);
  if (!entry) return { accepted: false };
  const { until } = entry;
  const today = now.toISOString().slice(0, 10);
  const last = new Date(now.getTime() + acknowledgeDays * DAY_MS).toISOString().slice(0, 10);
  // Days written YYYY-MM-DD sort as they follow each other.
  if (until < today) return { accepted: false, note: `It was accepted until ${until}; that day is over.` };
  if (acknowledgeDays === 0) return { accepted: false, note: "The policy pack does not let it be accepted." };
  if (until > last) {
    return {
      accepted: false,
      note: `It is accepted until ${until}; the policy pack allows ${acknowledgeDays} days ahead, that is until ${last}.`,
    };
  }
  return { accepted: true };
}
