const NANOSECONDS: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  µs: 1e3,
  μs: 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};
/** Longest duration of Go, in nanoseconds. */
const MOST = 2 ** 63;

/** Units in words: exact ones, and beginnings. Source: kube-openapi, pkg/validation/strfmt/duration.go. */
const WORDS: readonly { exact: readonly string[]; beginning: string; nanoseconds: number }[] = [
  { exact: ["ns"], beginning: "nano", nanoseconds: 1 },
  { exact: ["us", "µs"], beginning: "micro", nanoseconds: 1e3 },
  { exact: ["ms"], beginning: "milli", nanoseconds: 1e6 },
  { exact: ["s"], beginning: "sec", nanoseconds: 1e9 },
  { exact: ["m"], beginning: "min", nanoseconds: 60e9 },
  { exact: ["h", "hr"], beginning: "hour", nanoseconds: 3600e9 },
  { exact: ["d"], beginning: "day", nanoseconds: 24 * 3600e9 },
  { exact: ["w", "wk"], beginning: "week", nanoseconds: 7 * 24 * 3600e9 },
];

/** A duration as Go's time.ParseDuration reads it (`1h30m`), in nanoseconds; undefined when it is none. */
export function parseGoDuration(text: string): number | undefined {
  const [, sign = "", body = ""] = /^([+-]?)(.*)$/su.exec(text) ?? [];
  if (body === "0") return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(body)) return undefined;
  let sum = 0;
  for (const [, number, unit = ""] of body.matchAll(/([\d.]+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    sum += Number(number) * (NANOSECONDS[unit] ?? 0);
  }
  if (sum >= MOST) return undefined;
  return sign === "-" ? -Math.trunc(sum) : Math.trunc(sum);
}

/** A duration in words anywhere in a text (`2 weeks`), in nanoseconds; undefined when there is none. */
export function parseWordDuration(text: string): number | undefined {
  let sum: number | undefined;
  for (const [, number = "", word = ""] of text.matchAll(/(\d+)\s*([A-Za-zµ]+)/g)) {
    if (BigInt(number) >= 2n ** 63n) return undefined;
    const unit = word.toLowerCase();
    const known = WORDS.find(({ exact, beginning }) => exact.includes(unit) || unit.startsWith(beginning));
    if (known) sum = (sum ?? 0) + Number(number) * known.nanoseconds;
  }
  return sum;
}
