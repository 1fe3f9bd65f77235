import type { ResourceValidationArgs } from "@pulumi/policy";

const RELEASE_TYPE = "kubernetes:helm.sh/v3:Release";
/** In the URN of everything that casa-upgrade declares. */
const OURS = "casa-upgrade:index:CasaUpgrade$";

/** A CASA Release that some program without CasaUpgrade defines; every access checks that the value is known. */
export interface Release {
  /** Name of the helm release, or of the resource where that is made up. */
  readonly name: string;
  readonly props: Readonly<Record<string, unknown>>;
  /** A value of the chart, by its path; undefined where it is not set. */
  readonly value: (...path: string[]) => unknown;
  /** All values that are texts or numbers; undefined for one that is not known yet. */
  readonly leaves: () => Leaf[];
}

/** A value at the end of the tree. */
export interface Leaf {
  path: string[];
  value: string | number | undefined;
}

/**
 * The Release, if it is a CASA runtime that casa-upgrade does not define. A chart whose name is not known counts as one:
 * whoever hides it must not get around the rules.
 */
export function releaseOf(
  { type, urn, name, props }: ResourceValidationArgs,
  charts: readonly string[],
): Release | undefined {
  if (type !== RELEASE_TYPE || urn.includes(OURS)) return undefined;
  const chart = read(() => (props as Record<string, unknown>)["chart"]);
  if (typeof chart === "string" && !charts.includes(chartName(chart))) return undefined;
  const all = props as Record<string, unknown>;
  const given = read(() => all["name"]);
  return {
    name: typeof given === "string" ? given : name,
    props: all,
    value: (...path) => path.reduce<unknown>((at, key) => (isMap(at) ? at[key] : undefined), all["values"]),
    leaves: () => leaves(all["values"] ?? {}, []),
  };
}

/** True for a resource of casa-upgrade itself. */
export function isOurs(urn: string): boolean {
  return urn.includes(OURS);
}

/** `oci://host/charts/casa-runtime`, `./casa-runtime-0.1.18.tgz` and `casa-runtime` are all `casa-runtime`. */
export function chartName(chart: string): string {
  const last = chart.replace(/\/+$/, "").split("/").at(-1) ?? "";
  return last.replace(/\.tgz$/, "").replace(/-v?\d+\.\d+\.\d+.*$/, "");
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Undefined where it is not known yet; the caller says what that means. */
function read(of: () => unknown): unknown {
  try {
    return of();
  } catch {
    return undefined;
  }
}

function leaves(tree: unknown, path: string[]): Leaf[] {
  if (typeof tree === "string" || typeof tree === "number") return [{ path, value: tree }];
  if (typeof tree !== "object" || tree === null) return [];
  return Object.keys(tree).flatMap((key): Leaf[] => {
    const at = [...path, key];
    let below: unknown;
    try {
      below = (tree as Record<string, unknown>)[key];
    } catch {
      return [{ path: at, value: undefined }];
    }
    return leaves(below, at);
  });
}
