import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isMap } from "../kubernetes/objects";
import { ChartBudget, type ChartFiles, readChartArchive } from "./chart-files";

/** More than a year, and another month, weekday, hour, minute and second. */
const SHIFT = "9884h36m37s";

const ACTION = /\{\{-?\s*\/\*[\s\S]*?\*\/\s*-?\}\}|\{\{[\s\S]*?\}\}/g;
const TOKEN = /"(?:[^"\\]|\\.)*"|`[^`]*`|[.$]\w+|\bnow\b/g;

/** A template text whose `now` is more than a year later; the same text when it does not ask for the time. */
export function atOtherTime(text: string): string {
  return text.replace(ACTION, (action) =>
    /^\{\{-?\s*\/\*/.test(action)
      ? action
      : action.replace(TOKEN, (token) => (token === "now" ? `(dateModify "${SHIFT}" now)` : token)),
  );
}

/** The same for every text of values: charts hand those to `tpl`. */
export function valuesAtOtherTime(value: unknown): unknown {
  if (typeof value === "string") return atOtherTime(value);
  if (Array.isArray(value)) return value.map(valuesAtOtherTime);
  if (!isMap(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, at]) => [key, valuesAtOtherTime(at)]));
}

/** Functions of templates that do not give the same each time; `keys` and `values` give a map's in no order. */
const CHANGING =
  /(?<![.\w])(?:rand\w+|shuffle|uuidv4|gen[A-Z]\w*|htpasswd|bcrypt|encryptAES|now|ago|date\w*|htmlDate\w*|keys|values|getHostByName)(?!\w)/;

/**
 * Whether nothing in a chart and its values can come out otherwise in another rendering, so that one is enough. Any
 * doubt, such as a packed subchart, counts against it.
 */
export function rendersTheSame(files: ChartFiles, values: unknown): boolean {
  const isOpen = (text: string) => [...text.matchAll(ACTION)].some(([action]) => CHANGING.test(action));
  if ([...files.keys()].some((name) => /(^|\/)charts\/[^/]+\.tgz$/.test(name))) return false;
  return ![...files.values()].some((data) => isOpen(data.toString("utf8"))) && !isOpen(JSON.stringify(values));
}

/** Functions of templates that may well give the same twice: more renderings make that unlikely. */
const FEW_RESULTS = /\b(?:randInt|shuffle|rand(?:Alpha|AlphaNum|Numeric|Ascii|Bytes)\s+[12])\b/;

/**
 * How Bitnami's library, which is in many charts, makes a password: of ten characters and more, which do not come out
 * the same twice.
 */
const BITNAMI_PASSWORD =
  /list \(lower \(randAlpha 1\)\) \(randNumeric 1\) \(upper \(randAlpha 1\)\)|\$password \| toString \| shuffle/g;

/** Whether two renderings may by chance be the same, where something is made up. */
export function mayCoincide(files: ChartFiles): boolean {
  return [...files.values()].some((data) => FEW_RESULTS.test(data.toString("latin1").replace(BITNAMI_PASSWORD, "")));
}

/**
 * Writes a copy of a chart that believes it is rendered at another time. helm takes the time from the machine's clock,
 * so this is how to learn what depends on it: a day's date does not change between two renderings.
 *
 * @param into folder to make.
 * @returns whether anything asks for the time; without that nothing is written.
 */
export async function chartAtOtherTime(files: ChartFiles, where: string, into: string): Promise<boolean> {
  const unpacked = await unpackSubcharts(files, where);
  const shifted = new Map<string, Buffer>();
  let asks = false;
  for (const [name, data] of unpacked) {
    const text = data.includes("now") ? data.toString("utf8") : undefined;
    const other = text === undefined ? undefined : atOtherTime(text);
    if (other !== undefined && other !== text) asks = true;
    shifted.set(name, other === undefined || other === text ? data : Buffer.from(other));
  }
  if (!asks) return false;
  for (const [name, data] of shifted) {
    const path = join(into, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, data, { mode: 0o600 });
  }
  return true;
}

async function unpackSubcharts(files: ChartFiles, where: string, budget = new ChartBudget(where)): Promise<ChartFiles> {
  const found: ChartFiles = new Map();
  for (const [name, data] of files) {
    if (!/(^|\/)charts\/[^/]+\.tgz$/.test(name)) {
      found.set(name, data);
      continue;
    }
    const inside = await readChartArchive(data, `${where}: ${name}`, budget);
    for (const [path, content] of await unpackSubcharts(inside, where, budget))
      found.set(`${name.slice(0, -4)}/${path}`, content);
  }
  return found;
}
