import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { parseReview } from "../../../review/report/json";
import type { ObjectChange, Review } from "../../../review/report/schema";
import { ChangeWatcher, type ObservedChange } from "./change-watcher";
import { mustSucceed, type Run, type World } from "./world";

/** Previews, upgrades, and holds what was said against what was seen on the cluster. */
export async function reviewedUpgrade(world: World): Promise<{ review: Review; preview: Run }> {
  const { review, run } = await previewed(world);
  mustSucceed(run);
  const watcher = await ChangeWatcher.start(world.cluster.kubeconfig, world.cluster.context);
  mustSucceed(await world.up());
  // Deletions end when the last pod that uses a volume is gone.
  await new Promise((resolve) => setTimeout(resolve, 2000));
  watcher.stop();
  expectSame(review.objects, watcher.changes());
  return { review, preview: run };
}

/** A preview and the review that its program left. @param env what is different in the user's environment. */
export async function previewed(world: World, env: NodeJS.ProcessEnv = {}): Promise<{ review: Review; run: Run }> {
  const file = join(world.scratch, "review.json");
  rmSync(file, { force: true });
  const result = await world.engine.preview(world.stack, [], { env: { ...env, CASA_UPGRADE_REPORT: file } });
  const run = { ok: result.exitCode === 0, text: result.all };
  if (!existsSync(file)) throw new Error(`the preview left no review:\n${run.text}`);
  return { review: parseReview(readFileSync(file, "utf8")), run };
}

/** The change of one object. */
export function changeOf(review: Review, kind: string, name: string): ObjectChange {
  const found = review.objects.find((object) => object.kind === kind && object.name === name);
  if (!found) throw new Error(`${kind} ${name} does not change: ${JSON.stringify(review.objects.map((o) => o.name))}`);
  return found;
}

/**
 * Objects and actions are the same; the fields of updated objects, too, what was folded as noise included by number.
 */
function expectSame(predicted: ObjectChange[], observed: Map<string, ObservedChange>): void {
  const kept = predicted.filter(({ action }) => action !== "keep");
  const text = (key: string, action: string) => `${action} ${key}`;
  const said = kept.map((object) => text(nameOf(object), object.action)).sort();
  const seen = [...observed].map(([key, { action }]) => text(key, action)).sort();
  expect(said).to.deep.equal(seen);
  for (const object of kept.filter(
    ({ action, writer }) => action === "update" && !["record", "hook"].includes(writer),
  )) {
    const fields = observed.get(nameOf(object))?.fields ?? [];
    const told = object.fields.map(({ path }) => path);
    expect(fields, nameOf(object)).to.include.members(told);
    expect(fields.length, `${nameOf(object)}: ${fields.join(", ")}`).to.equal(told.length + object.folded);
  }
}

function nameOf({ kind, namespace, name }: ObjectChange): string {
  return `${kind} ${namespace ? `${namespace}/` : ""}${name}`;
}
