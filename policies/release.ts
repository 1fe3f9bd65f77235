import type { PolicyConfigSchema, ResourceValidationArgs } from "@pulumi/policy";
import { known } from "./unknown";

export const RELEASE_TYPE = "kubernetes:helm.sh/v3:Release";
/** In the URN of everything that casa-upgrade declares. */
const OURS = "casa-upgrade:index:CasaUpgrade$";

/** The setting by which a policy knows the Releases of a CASA runtime. */
export const CHARTS: PolicyConfigSchema["properties"] = {
  charts: {
    type: "array",
    items: { type: "string" },
    default: ["casa-runtime"],
    description:
      "names of charts whose Releases count as a CASA runtime, where a program without CasaUpgrade defines them",
  },
};

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

/** The Release, if it is a CASA runtime that casa-upgrade does not define. */
export function releaseOf(
  { type, urn, name, props }: ResourceValidationArgs,
  charts: readonly string[],
): Release | undefined {
  const all: Record<string, unknown> = props;
  if (type !== RELEASE_TYPE || isOurs(urn) || !isRuntimeChart(all, charts)) return undefined;
  const given = known(() => all["name"]);
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

/**
 * Whether a Release's chart is a CASA runtime. One whose name is not known counts: whoever hides it must not get around
 * the rules.
 */
export function isRuntimeChart(props: Readonly<Record<string, unknown>>, charts: readonly string[]): boolean {
  const chart = known(() => props["chart"]);
  return typeof chart !== "string" || charts.includes(chartName(chart));
}

/**
 * `oci://host/charts/casa-runtime`, with a tag or a digest behind it, `./casa-runtime-0.1.18.tgz` and `casa-runtime` are
 * all `casa-runtime`.
 */
export function chartName(chart: string): string {
  const last =
    chart
      .replace(/@[^/]*$/, "")
      .replace(/\/+$/, "")
      .split("/")
      .at(-1) ?? "";
  if (chart.startsWith("oci://")) return last.replace(/:.*$/, "");
  // A package has its version behind its name, however many parts that has.
  const isPackage = last.endsWith(".tgz");
  return last.replace(/\.tgz$/, "").replace(isPackage ? /-v?\d+(\.\d+)*([-+].*)?$/ : /-v?\d+\.\d+\.\d+.*$/, "");
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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
