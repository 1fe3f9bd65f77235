import { randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
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

/**
 * Has helm carry out what it rendered, hooks left out, where no write reaches the API server: the patches that it makes
 * of three versions of each object are then known, and nobody has to guess them. Before that helm checks that every
 * kind is served, every object can be read, nothing belongs to somebody else.
 *
 * With helm 4 it only checks: the kubernetes provider has helm 3 in it, which makes other patches.
 *
 * @param options.withoutSchema helm leaves the fields to the API server and does not read its OpenAPI document, which
 *   takes longer than all the rest.
 * @param options.leaveOut objects that it cannot judge yet, because their CRD comes with this upgrade. Default none.
 */
export async function rehearse(
  job: RenderJob,
  view: ClusterView,
  { manifest, refused }: Rendering,
  options: { withoutSchema: boolean; leaveOut?: (object: SourcedObject["object"]) => boolean },
): Promise<Rehearsal> {
  const { withoutSchema, leaveOut } = options;
  if ((await helmVersion()).major >= 4) {
    return { refusal: refused ?? (withoutSchema ? undefined : await refusalOf(view, dryRunArgs(job, view))) };
  }
  const file = join(job.scratch, `checked-${randomUUID()}.yaml`);
  const documents = manifest.split(/^---(?:[ \t].*)?$/m);
  const kept = leaveOut
    ? documents.filter((text) => !parseManifest(text).some(({ object }) => leaveOut(object)))
    : documents;
  await writeFile(file, `# checked\n${kept.map((text) => `---\n${text}\n`).join("")}`, { mode: 0o600 });
  const rendered = postRenderer(`cat >/dev/null; cat ${shellWord(file)}`);
  const { writes, ...access } = await view.rehearsal();
  const keepsHistory = job.isUpgrade ? ["--history-max", "0"] : [];
  const args = [...upgradeArgs(job, access), "--no-hooks", ...keepsHistory, ...WITHOUT_SCHEMA, ...rendered];
  const refusal = await refusalOf(view, args, access.env);
  if (refusal !== undefined) return { refusal };
  return {
    writes,
    refusal: withoutSchema ? undefined : await refusalOf(view, [...dryRunArgs(job, view), ...rendered]),
  };
}

/** Runs helm where it cannot change anything. */
async function refusalOf(view: ClusterView, args: string[], env = view.env): Promise<string | undefined> {
  try {
    await helm(args, { env });
    return undefined;
  } catch (error) {
    if (!(error instanceof HelmError)) throw error;
    refuseIfUnreachable(view);
    return error.message;
  }
}
