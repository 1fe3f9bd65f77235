import { keepsOldPods, type SkipCode } from "../../components/workload-restarts/skipped";
import { ONLY_READS } from "../../kubernetes/object-check";
import { crdRisks } from "./crd-risks";
import { atMost, named, risk, type RiskSections } from "./risk";
import type { Breaking, DatabaseFinding, ImageFinding, ObjectChange, Risk, Roll, ValuesFinding } from "./schema";
import type { RestartReview } from "../../components/workload-restarts/restart-review";
import { count, duration, objectName, ownChanges, pendingRestarts } from "./words";

export type { RiskSections } from "./risk";

/** Restarts that take longer than this need somebody's time: low, then medium. In seconds. */
const LONG_RESTARTS = { low: 30 * 60, medium: 4 * 60 * 60 };

/**
 * All kinds of risk, the worst first: what cannot be had back, what does not work afterwards, what does not work for a
 * while, what is surprising.
 */
const RANK = [
  "refused",
  "database-lost",
  "data-loss",
  "contents-deleted",
  "custom-resources-pruned",
  "custom-resources-rejected",
  "downtime-deadlock",
  "values-refused",
  "database-version",
  "backup-missing",
  "keycloak-version",
  "crd-breaking",
  "downgrade",
  "replicas-unset",
  "downtime-until-ready",
  "generated-values",
  "drift-overwritten",
  "objects-deleted",
  "values-dropped",
  "version-distance",
  "chart-notes",
  "custom-resources-unchecked",
  "crd-warning",
  "downtime-brief",
  "images-not-rolled",
  "restarts-off",
  "restarts-skipped",
  "restarts-long",
  "values-unknown",
  "chart-deprecations",
  "images-moving",
  "restarts-not-found",
  "unchecked",
  "crd-accepted",
  "crd-retained",
];
const SEVERITY = { high: 0, medium: 1, low: 2 };

/**
 * What a reviewer must not overlook: by severity, and within one by the kind of risk. Many things of one kind are one
 * risk, which names the first of them, so there are at most as many risks as kinds.
 */
export function rankRisks(sections: RiskSections): Risk[] {
  const found = [
    ...refused(sections),
    ...dataLoss(sections),
    ...databaseRisks(sections.databases),
    ...risk(
      "high",
      "keycloak-version",
      `${count(sections.keycloak.length, "Keycloak")} with old and new pods that cannot run side by side`,
      sections.keycloak.map(({ text }) => text),
      sections.keycloak[0]?.fix,
    ),
    ...backupRisks(sections.runtime?.backup.missing ?? []),
    ...crdRisks(sections.crds),
    ...downtime(sections.rolls),
    ...objectRisks(sections),
    ...breakingRisks(sections.breaking),
    ...imageRisks(sections.images),
    ...restartRisks(sections),
  ];
  return found.sort((a, b) => SEVERITY[a.severity] - SEVERITY[b.severity] || RANK.indexOf(a.id) - RANK.indexOf(b.id));
}

function refused({ refusals, objects }: RiskSections): Risk[] {
  const known = new Set(refusals.map(({ object }) => object));
  const rejected = objects
    .filter((object) => object.check.result === "rejected" && !known.has(objectName(object)))
    .map((object) => `${objectName(object)}: ${object.check.message ?? "rejected"}`);
  const things = [...refusals.map(({ object, problem }) => `${object}: ${problem}`), ...rejected];
  const title = `${count(things.length, "change")} would be refused`;
  return risk("high", "refused", title, things, "repair what is named; the fix of each is with the refusals");
}

function dataLoss(sections: RiskSections): Risk[] {
  const claims = sections.claims.filter(({ empty }) => empty !== true);
  const things = claims.map(
    ({ namespace, name, size, why }) => `${namespace}/${name}${size ? ` (${size})` : ""}: ${why}`,
  );
  const plain = claims.find(({ fix }) => fix === undefined);
  const keep = `kubectl --namespace ${plain?.namespace ?? ""} annotate pvc ${plain?.name ?? ""} helm.sh/resource-policy=keep`;
  const fixes = [...(plain ? [`have the claim kept: ${keep}`] : []), ...claims.flatMap(({ fix }) => fix ?? [])];
  return risk(
    "high",
    "data-loss",
    `${count(claims.length, "volume claim")} will be deleted`,
    things,
    `keep persistence on in the values; or back the data up, and ${[...new Set(fixes)].join("; ")}`,
  );
}

function databaseRisks(databases: readonly DatabaseFinding[]): Risk[] {
  const of = (...problems: DatabaseFinding["problem"][]) =>
    databases.filter(({ problem }) => problems.includes(problem));
  const [lost, other] = [of("lost", "moved", "gone"), of("major", "major-unknown")];
  const things = (found: readonly DatabaseFinding[]) => found.map(({ text }) => text);
  return [
    ...risk(
      "high",
      "database-lost",
      `${count(lost.length, "database server")} will not have the data of before`,
      things(lost),
      lost[0]?.fix,
    ),
    ...risk(
      "high",
      "database-version",
      `${count(other.length, "database server")} may not start on the data that is there`,
      things(other),
      other[0]?.fix,
    ),
  ];
}

function backupRisks(missing: readonly { what: string; fix: string }[]): Risk[] {
  const title = `${count(missing.length, "database")} that this run does not back up`;
  return risk(
    "high",
    "backup-missing",
    title,
    missing.map(({ what }) => what),
    missing[0]?.fix,
  );
}

function downtime(rolls: readonly Roll[]): Risk[] {
  const kinds = [
    [
      "deadlock",
      "high",
      "may never come up: the new pod waits for what the old one holds",
      "use strategy Recreate, or scale to 0 first, in a maintenance window",
    ],
    [
      "until-ready",
      "high",
      "will serve nothing until a new pod is ready",
      "upgrade in a maintenance window, or change strategy or replicas first",
    ],
    [
      "brief",
      "medium",
      "with one replica: connections break when it is replaced",
      "run two or more replicas where the application can, or tell its users",
    ],
  ] as const;
  return kinds.flatMap(([expected, severity, what, fix]) => {
    const things = rolls.flatMap(({ workload, downtime: at }) =>
      at.expected === expected ? [`${workload}: ${at.why}`] : [],
    );
    return risk(severity, `downtime-${expected}`, `${count(things.length, "workload")} ${what}`, things, fix);
  });
}

function objectRisks({ objects, claims, contents = [] }: RiskSections): Risk[] {
  const own = ownChanges(objects);
  const fieldsOf = (cause: "drift" | "generated") =>
    own.flatMap((object) => {
      const paths = object.fields.filter((field) => field.cause === cause).map(({ path }) => path);
      return paths.length > 0 ? [`${objectName(object)}: ${named(paths, ", ")}`] : [];
    });
  // Claims are a risk of their own.
  const counted = new Set(claims.map(({ namespace, name }) => `PersistentVolumeClaim ${namespace}/${name}`));
  const deleted = own.filter((object) => object.action === "delete" && !counted.has(objectName(object)));
  const drift = fieldsOf("drift");
  const generated = fieldsOf("generated");
  const isFull = (object: ObjectChange) =>
    contents.some(({ kind, name }) => kind === object.kind && name === object.name);
  const full = deleted.filter(isFull).map(objectName);
  const plain = deleted.filter((object) => !isFull(object)).map(objectName);
  const fewer = own.flatMap((object) =>
    object.fields
      .filter(({ unset, before, after }) => unset && Number(before) > Number(after))
      .map(({ before, after }) => `${objectName(object)}: ${before ?? ""} -> ${after ?? ""}`),
  );
  const unchecked = own.filter(({ check }) => check.result === "unchecked");
  return [
    ...risk(
      "high",
      "contents-deleted",
      `${count(full.length, "object")} will be deleted with all that is in it`,
      full,
      "keep it: annotate it with helm.sh/resource-policy=keep before the upgrade",
    ),
    ...risk(
      "high",
      "replicas-unset",
      `${count(fewer.length, "workload")} scaled down because the new chart does not set replicas any more`,
      fewer,
      "set the number in the values, if the chart has one for it; else have an autoscaler hold it, or scale it up again " +
        "right after the upgrade (kubectl scale)",
    ),
    ...risk(
      "medium",
      "drift-overwritten",
      `${count(drift.length, "object")} changed by hand, and the upgrade takes that back`,
      drift,
      "put what must stay into the values",
    ),
    ...risk(
      "medium",
      "generated-values",
      `${count(generated.length, "object")} with values that the chart makes up anew`,
      generated,
      "set them in the values; a password that changes here does not change in the database",
    ),
    ...risk(
      "medium",
      "objects-deleted",
      `${count(plain.length, "object")} will be deleted`,
      plain,
      "see that nothing uses them any more",
    ),
    ...risk(
      "low",
      "unchecked",
      `${count(unchecked.length, "change")} could not be tried as a dry-run`,
      unchecked.every(({ check }) => check.message === ONLY_READS)
        ? unchecked.slice(0, 1).map(() => "the user of this preview may only read, so nothing was tried")
        : unchecked.map((object) => `${objectName(object)}: ${object.check.message ?? "not asked"}`),
    ),
  ];
}

function breakingRisks({ distance, values, notes }: Breaking): Risk[] {
  const isDown = distance.kind === "downgrade";
  const isFar = !isDown && (distance.kind === "major" || distance.skipped.length > 0);
  const step = [distance.text, ...distance.skipped];
  const ofValues = (which: ValuesFinding["problem"]) =>
    values
      .filter(({ problem }) => problem === which)
      .map(({ text, suggestion }) => `${text}${suggestion ? ` (nearest: ${suggestion})` : ""}`);
  const ofNotes = (...kinds: string[]) =>
    notes
      .filter(({ kind }) => kind !== undefined && kinds.includes(kind))
      .map(({ version, kind, text }) => `${version} ${kind}: ${text}`);
  const [dropped, unknown] = [ofValues("dropped"), ofValues("unknown")];
  const where = "where they are set: values, secretValues or a value file";
  return [
    ...risk(
      "high",
      "downgrade",
      "the chart goes back to an older version",
      isDown ? step : [],
      "have a backup: data that the newer version wrote may not be readable by the older one",
    ),
    ...risk(
      "medium",
      "version-distance",
      "a big step between chart versions",
      isFar ? step : [],
      "read the notes of the versions between; upgrade one version at a time where they ask for it",
    ),
    ...risk(
      "medium",
      "values-dropped",
      `${count(dropped.length, "value")} that the new chart no longer knows`,
      dropped,
      `rename or remove them ${where}`,
    ),
    ...risk(
      "low",
      "values-unknown",
      `${count(unknown.length, "value")} that no chart version knows`,
      unknown,
      `rename or remove them ${where}`,
    ),
    ...risk("medium", "chart-notes", "the chart's own notes warn", ofNotes("breaking", "removed", "security")),
    ...risk("low", "chart-deprecations", "the chart's own notes deprecate", ofNotes("deprecated")),
  ];
}

function imageRisks(images: readonly ImageFinding[]): Risk[] {
  const of = (rolls: boolean) =>
    images
      .filter((image) => image.rolls === rolls)
      .map(
        ({ workload, container, image, pullPolicy }) =>
          `${workload} ${container}: ${image || "no image"} (pull policy ${pullPolicy})`,
      );
  const [kept, moved] = [of(false), of(true)];
  const fix = "pin a version in the values, best with its digest";
  return [
    ...risk(
      "medium",
      "images-not-rolled",
      `${count(kept.length, "image")} on a moving tag, where the upgrade replaces no pod and so brings nothing newer`,
      kept,
      fix,
    ),
    ...risk(
      "low",
      "images-moving",
      `${count(moved.length, "image")} on a moving tag: which bytes will run is not known`,
      moved,
      fix,
    ),
  ];
}

function restartRisks({ restarts, objects }: RiskSections): Risk[] {
  const { enabled, skipped, estimate, maxConcurrent } = restarts;
  const of = (match: (code: SkipCode) => boolean) =>
    skipped
      // A review of 0.1 has no code; what is not known may keep old pods.
      .filter(({ code = "not-restartable" }) => match(code))
      .map(({ workload, reason }) => `${workload}: ${reason}`);
  const old = of(keepsOldPods);
  const off = !enabled && ownChanges(objects).length > 0;
  return [
    ...risk(
      "medium",
      "restarts-off",
      "no MAS workload is restarted",
      off ? ["restarts.enabled is false: running pods keep the configuration that they have"] : [],
      "restart them yourself, or set restarts.enabled",
    ),
    ...risk(
      "medium",
      "restarts-skipped",
      `${count(old.length, "workload")} not restarted, and may keep an old configuration`,
      old,
      "do what the reason says, then pulumi up again",
    ),
    ...risk(
      "low",
      "restarts-not-found",
      "workloads that are named and do not exist",
      of((code) => code === "not-found"),
    ),
    ...longRestarts(pendingRestarts(restarts).length, maxConcurrent, estimate),
  ];
}

function longRestarts(groups: number, maxConcurrent: number, estimate: RestartReview["estimate"]): Risk[] {
  const { seconds, worstSeconds, basis } = estimate;
  if (seconds < LONG_RESTARTS.low) return [];
  const severity = seconds < LONG_RESTARTS.medium ? "low" : "medium";
  const detail =
    `${maxConcurrent} at a time, ${count(groups, "system")} one after the other; at the latest ` +
    `${duration(worstSeconds)}; ${atMost(basis)}`;
  const fix = "a greater restarts.maxConcurrent makes it shorter";
  return [{ severity, id: "restarts-long", title: `the restarts take about ${duration(seconds)}`, detail, fix }];
}
