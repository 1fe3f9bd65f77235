import { isMap } from "../../kubernetes/objects";

/** What of a log line in JSON says how something went; other fields are data. */
const SAYS = new Set(
  (
    "level levelname level_name loglevel log.level severity lvl @l logger log.logger name module component category " +
    "message msg event text @m @mt error err exception exc_info exc stack stack_trace traceback @x " +
    "error.message error.stack_trace err.message err.stack exception.message"
  ).split(" "),
);
const LEVEL = /^(level|levelname|level_name|loglevel|log\.level|severity|lvl|@l)$/i;
const ERROR = /^(error|err|exception|@x|(error|err|exception)\.message)$/i;

/** What a line says: of one in JSON the fields that tell how something went, where they hold something. */
export function saidBy(line: string): string {
  if (!line.startsWith("{")) return line;
  let fields: unknown;
  try {
    fields = JSON.parse(line);
  } catch {
    return line;
  }
  if (!isMap(fields)) return line;
  return flat(fields)
    .map(([name, value]) => [name, numberedLevel(name, value) ?? value] as const)
    .filter(([name, value]) => SAYS.has(name.toLowerCase()) && typeof value === "string" && value !== "")
    .map(([name, value]) => [name, LEVEL.test(name) ? String(value).toUpperCase() : value] as const)
    .map(([name, value]) => (ERROR.test(name) ? `error: ${String(value)}` : String(value)))
    .join(" ");
}

/** The fields, those of maps in them as `map.field`. */
function flat(fields: Record<string, unknown>): [name: string, value: unknown][] {
  return Object.entries(fields).flatMap(([name, value]): [string, unknown][] =>
    isMap(value) ? Object.entries(value).map(([inner, at]) => [`${name}.${inner}`, at]) : [[name, value]],
  );
}

/** As numbers: of Node.js from 50 on an error, of PHP (100 and more) from 400 on. */
function numberedLevel(name: string, value: unknown): string | undefined {
  const level = Number(value);
  if (name !== "level" || Number.isNaN(level)) return undefined;
  return (level >= 50 && level < 100) || level >= 400 ? "error" : undefined;
}
