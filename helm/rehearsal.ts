import { randomUUID } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseManifest, type SourcedObject } from "../kubernetes/objects";
import { shellWord } from "../shared/shell-word";
import type { ClusterView } from "./cluster-view";
import { helm, HelmError, helmVersion } from "./helm";
import type { HelmWrites } from "./helm-writes";
import {
  dryRunArgs,
  postRenderer,
  refuseIfUnreachable,
  renderingOf,
  type RenderJob,
  type Rendering,
  upgradeArgs,
  WITHOUT_SCHEMA,
} from "./render";

/** What came of having helm carry out an upgrade that reaches nothing. */
export interface Rehearsal {
  /** Where helm ends, in its words; undefined when it does not. */
  readonly refusal?: string;
  /** What it would send; undefined when it ended before, and with helm 4. */
  readonly writes?: HelmWrites;
}

/** A rendering that helm carried out at once. */
export interface CarriedOut {
  readonly rendering: Rendering;
  readonly writes: HelmWrites;
}

/**
 * Has helm render the chart and carry it out in one run, hooks left out, where no write reaches the API server: the
 * patches that it makes of three versions of each object are then known, and nobody has to guess them.
 *
 * @returns undefined where helm ended before, and with helm 4: the kubernetes provider has helm 3 in it, which makes
 *   other patches.
 */
export async function carryOut(job: RenderJob, view: ClusterView): Promise<CarriedOut | undefined> {
  if ((await helmVersion()).major >= 4) return undefined;
  const file = join(job.scratch, `rendered-${randomUUID()}.yaml`);
  const { output, writes } = await rehearsed(job, view, `cat > ${shellWord(file)} && cat ${shellWord(file)}`);
  return output === undefined
    ? undefined
    : { rendering: renderingOf(job, output, await readFile(file, "utf8")), writes };
}

/**
 * Has helm check what it would install, as its upgrade does before it changes anything (every kind is served, every
 * object can be read, nothing belongs to somebody else), and carry it out as {@link carryOut} does.
 *
 * @param options.carriedOut what came of it already.
 * @param options.withoutSchema helm leaves the fields to the API server and does not read its OpenAPI document, which
 *   takes longer than all the rest.
 * @param options.leaveOut objects that it cannot judge yet, because their CRD comes with this upgrade. Default none.
 */
export async function rehearse(
  job: RenderJob,
  view: ClusterView,
  { manifest, refused }: Rendering,
  options: {
    carriedOut?: CarriedOut;
    withoutSchema: boolean;
    leaveOut?: (object: SourcedObject["object"]) => boolean;
  },
): Promise<Rehearsal> {
  const { carriedOut, withoutSchema, leaveOut } = options;
  if (carriedOut && withoutSchema) return { writes: carriedOut.writes };
  if ((await helmVersion()).major >= 4) {
    return { refusal: refused ?? (withoutSchema ? undefined : await refusalOf(view, dryRunArgs(job, view))) };
  }
  const file = join(job.scratch, `checked-${randomUUID()}.yaml`);
  const documents = manifest.split(/^---(?:[ \t].*)?$/m);
  const kept = leaveOut
    ? documents.filter((text) => !parseManifest(text).some(({ object }) => leaveOut(object)))
    : documents;
  await writeFile(file, `# checked\n${kept.map((text) => `---\n${text}\n`).join("")}`, { mode: 0o600 });
  const command = `cat >/dev/null; cat ${shellWord(file)}`;
  const run = carriedOut ?? (await rehearsed(job, view, command));
  if ("refusal" in run) return { refusal: run.refusal };
  const { writes } = run;
  if (withoutSchema) return { writes };
  return { writes, refusal: await refusalOf(view, [...dryRunArgs(job, view), ...postRenderer(command)]) };
}

/** Runs helm's upgrade without its hooks, and without the removal of old revisions. */
async function rehearsed(
  job: RenderJob,
  view: ClusterView,
  postRendered: string,
): Promise<{ output: string; writes: HelmWrites } | { output?: undefined; writes?: undefined; refusal: string }> {
  const { writes, ...access } = await view.rehearsal();
  const keepsHistory = job.isUpgrade ? ["--history-max", "0"] : [];
  const args = [...upgradeArgs(job, access), "--no-hooks", ...keepsHistory, ...WITHOUT_SCHEMA];
  try {
    return { output: await helm([...args, ...postRenderer(postRendered)], { env: access.env }), writes };
  } catch (error) {
    return { refusal: refusalIn(error, view) };
  }
}

async function refusalOf(view: ClusterView, args: string[]): Promise<string | undefined> {
  try {
    await helm(args, { env: view.env });
    return undefined;
  } catch (error) {
    return refusalIn(error, view);
  }
}

/** What helm says; thrown when it is not helm that says it, or when helm was not answered. */
function refusalIn(error: unknown, view: ClusterView): string {
  if (!(error instanceof HelmError)) throw error;
  refuseIfUnreachable(view);
  return error.message;
}
