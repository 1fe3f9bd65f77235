import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { mergeValues } from "../../../config/values";
import { parseReview } from "../../../review/report/json";
import type { Review } from "../../../review/report/schema";
import { ChangeWatcher, type ObservedChange } from "../world/change-watcher";
import { mustSucceed, type Run, World } from "../world/world";
import { buildCharts } from "./shapes/build";
import { SHAPES } from "./shapes";

const OURS = "shapes-ours";
const PLAIN = "shapes-plain";

/**
 * Charts of many shapes, upgraded by this program and, in another namespace, by plain helm: what the review predicts is
 * what a watcher sees, and what helm does.
 */
describe("what the preview says is what happens", function () {
  this.timeout(600_000);
  let world: World;
  let review: Review;
  let again: Run;
  let ours: Map<string, ObservedChange>;
  let plain: Map<string, ObservedChange>;
  const shapes = Object.values(SHAPES).flat();

  before(async () => {
    world = await World.open();
    const charts = buildCharts(shapes, join(world.scratch, "shapes"));
    const values = mergeValues(...shapes.flatMap((shape) => (shape.values ? [shape.values] : [])));
    for (const namespace of [OURS, PLAIN]) {
      await world.kubectl(["create", "namespace", namespace]);
      for (const { live } of shapes) {
        if (live) await world.kubectl(["apply", "-f", "-"], live.replaceAll("NS", namespace));
      }
      await world.helm("install", "shapes", charts.before, "--namespace", namespace);
      for (const { byHand } of shapes) if (byHand) await world.kubectl([...byHand, "--namespace", namespace]);
    }
    await world.config({
      ...{ release: "shapes", namespace: OURS, chart: charts.after, version: "0.2.0", values },
      ...{ restarts: { enabled: false }, migrationGate: { enabled: false }, timeouts: { release: 30 } },
    });
    const file = join(world.scratch, "review.json");
    const planFile = join(world.scratch, "engine-plan.json");
    const run = await world.engine.preview(world.stack, ["--save-plan", planFile], {
      env: { CASA_UPGRADE_REPORT: file },
    });
    mustSucceed({ ok: run.exitCode === 0, text: run.all ?? "" });
    review = parseReview(readFileSync(file, "utf8"));

    ours = await watched(world, async () => void mustSucceed(await world.up(["--plan", planFile])));
    again = await world.up(["--expect-no-changes"]);
    const valuesFile = join(world.scratch, "shapes", "values.json");
    writeFileSync(valuesFile, JSON.stringify(values));
    plain = await watched(world, async () => {
      await world.helm("upgrade", "shapes", charts.after, "--namespace", PLAIN, "--values", valuesFile);
    });
  });
  after(async () => world?.close());

  it("is what a watcher sees", () => {
    const said = review.objects.filter(({ action, temporary }) => action !== "keep" && !temporary);
    const lines = said.map(({ action, kind, namespace, name }) =>
      line(`${kind} ${namespace ? `${namespace}/` : ""}${name}`, action),
    );
    expect(inOrder(lines)).to.deep.equal(seen(ours));
  });

  it("field by field, where nothing is made up", () => {
    const updates = review.objects.filter(
      ({ action, writer, fields }) =>
        action === "update" &&
        (writer === "helm" || writer === "crds") &&
        !fields.some(({ cause }) => cause === "generated"),
    );
    expect(updates.length).to.be.greaterThan(20);
    for (const { kind, namespace, name, fields, folded } of updates) {
      const key = `${kind} ${namespace ? `${namespace}/` : ""}${name}`;
      const changed = ours.get(key)?.fields ?? [];
      expect(changed, key).to.include.members(fields.map(({ path }) => path));
      expect(changed.length, `${key}: ${changed.join(", ")}`).to.equal(fields.length + folded);
    }
  });

  it("objects of a kind that the upgrade brings", async () => {
    expect(review.objects.map(({ kind, name }) => `${kind} ${name}`)).to.include(`Gadget first-${OURS}`);
    expect(await world.kubectl(["get", "gadgets", "--all-namespaces", "--output", "name"])).to.contain(
      `/first-${OURS}`,
    );
  });

  it("is what plain helm does", () => {
    // CRDs of crds/ folders are the step that plain helm does not take; restart records are our own.
    const others = seen(ours).filter((one) => !/[.]shapes[.]example$|ConfigMap NS.casa-upgrade-/.test(one));
    expect(seen(plain)).to.deep.equal(others);
  });

  it("a second run changes nothing", () => mustSucceed(again));
});

async function watched(world: World, action: () => Promise<void>): Promise<Map<string, ObservedChange>> {
  const watcher = await ChangeWatcher.start(world.cluster.kubeconfig, world.cluster.context);
  try {
    await action();
    await new Promise((resolve) => setTimeout(resolve, 2000));
  } finally {
    watcher.stop();
  }
  return watcher.changes();
}

function seen(changes: Map<string, ObservedChange>): string[] {
  return inOrder([...changes].map(([key, { action }]) => line(key, action)));
}

/**
 * Sorted, without those that may by chance be made up as they were before, and without the kind that is new: it was not
 * served when the watches began.
 */
function inOrder(lines: string[]): string[] {
  return lines.filter((one) => !/ConfigMap NS.(?:few|length)$|^create Gadget /.test(one)).sort();
}

/** A change in words that are the same in both namespaces, and for names that are made up. */
function line(key: string, action: string): string {
  const name = key.replaceAll(OURS, "NS").replaceAll(PLAIN, "NS");
  return `${action} ${name.replace(/named-[a-z0-9]{5}$/, "named-<generated>").replace(/at-\d{14}-end/, "at-<generated>-end")}`;
}
