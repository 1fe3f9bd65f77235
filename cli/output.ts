import { styleText } from "node:util";

/** What a command ends with. */
export interface Outcome {
  /** Exit code; docs/cli.md has them all. */
  code: number;
  /** The same for programs, printed with `--json`. */
  result: unknown;
}

let forPrograms = false;

/** From now on stdout holds one JSON document and nothing else; what people read goes to stderr. */
export function useJson(): void {
  forPrograms = true;
}

/** Where people read: stdout, unless a program does. */
export function peopleStream(): NodeJS.WriteStream {
  return forPrograms ? process.stderr : process.stdout;
}

/** Tells people something. */
export function say(text: string): void {
  peopleStream().write(`${text}\n`);
}

/** Ends a command's output. */
export function finish({ code, result }: Outcome): number {
  if (forPrograms) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
  return code;
}

type Style = Parameters<typeof styleText>[0];

/** In colour on a terminal, unless NO_COLOR is set; FORCE_COLOR has the last word. */
export function styled(style: Style, text: string, stream: NodeJS.WriteStream = peopleStream()): string {
  return styleText(style, text, { stream });
}

/** Whether what the engine prints is coloured. */
export function engineColor(): "always" | "never" {
  return styled("red", "x") === "x" ? "never" : "always";
}

const STYLES: readonly [RegExp, Style][] = [
  [/^(Refused:|refused:|high risk:)/, "red"],
  [/^medium risk:/, "yellow"],
  [/^(Review|Nothing to do):/, "bold"],
];

/** The essence of a review with what matters in colour. */
export function colored(summary: string): string {
  const color = (line: string) => {
    const [, style] = STYLES.find(([start]) => start.test(line)) ?? [];
    return style === undefined ? line : line.replace(/^[^:]*:/, (words) => styled(style, words));
  };
  return summary.split("\n").map(color).join("\n");
}
