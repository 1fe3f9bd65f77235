/** What every pod prints that has nothing of its own. */
export const LOG_OF_ALL = "container started";

/** A line as container runtimes write it: time, stream, whether it is whole, text. */
const CRI_LINE = /^\d{4}-\d\d-\d\dT\S+ (stdout|stderr) [FP] /;

/** Text as a container runtime stores it; left alone when it is in that form already. */
export function criLog(text: string, now: Date = new Date()): string {
  const lines = text.replace(/\n$/, "").split("\n");
  if (CRI_LINE.test(lines[0] ?? "")) return text;
  return lines.map((line) => `${now.toISOString()} stdout F ${line}\n`).join("");
}
