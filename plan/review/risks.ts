import type { CrdFinding, CrdReview, ObjectChange, Review, Risk, Roll } from "./schema";

/** What risks are derived from. */
export type RiskSections = Pick<
  Review,
  "objects" | "rolls" | "images" | "claims" | "breaking" | "crds" | "restarts" | "refusals"
>;

/** Things that one risk names before it counts the rest. */
const NAMED = 10;
const ORDER = { high: 0, medium: 1, low: 2 };

/**
 * What a reviewer must not overlook, the worst first; of equal ones in the order of an upgrade. Many things of one kind are
 * one risk.
 */
export function rankRisks(sections: RiskSections): Risk[] {
  const found = [
    ...refused(sections),
    ...dataLoss(sections),
    ...sections.crds.flatMap(crdRisks),
    ...downtime(sections.rolls),
    ...objectRisks(sections.objects),
    ...breakingRisks(sections.breaking),
    ...imageRisks(sections.images),
    ...restartRisks(sections.restarts),
  ];
  return found.sort((a, b) => ORDER[a.severity] - ORDER[b.severity]);
}

function refused({ refusals }: RiskSections): Risk[] {
  if (refusals.length === 0) return [];
  const detail = names(refusals.map(({ object, problem }) => `${object}: ${problem}`));
  const title = `the API server would refuse ${count(refusals.length, "object")}`;
  return [{ severity: "high", id: "refused", title, detail, fix: "the fix of each is with the refusals" }];
}

function dataLoss({ claims }: RiskSections): Risk[] {
  if (claims.length === 0) return [];
  const detail = names(
    claims.map(({ namespace, name, size, why }) => `${namespace}/${name}${size ? ` (${size})` : ""}: ${why}`),
  );
  return [
    {
      severity: "high",
      id: "data-loss",
      title: `${count(claims.length, "volume claim")} will be deleted`,
      detail,
      fix: "keep persistence on; or back the data up, and keep the claim: kubectl annotate pvc <name> helm.sh/resource-policy=keep",
    },
  ];
}

function crdRisks({ name, action, findings, customResources }: CrdReview): Risk[] {
  const { rejected, pruned, total, prunedFields, unchecked, examples } = customResources;
  const risks: Risk[] = [];
  if (pruned > 0) {
    risks.push({
      severity: "high",
      id: "custom-resources-pruned",
      title: `${pruned} of ${total} ${name} objects lose fields`,
      detail: names(prunedFields.map(({ path, objects }) => `${path} (${count(objects, "object")})`)),
      fix: `move the values first; save them: kubectl get ${name} --all-namespaces --output yaml`,
    });
  }
  if (rejected > 0) {
    const why = examples.flatMap(({ object, rejected: reasons }) => (reasons[0] ? [`${object}: ${reasons[0]}`] : []));
    risks.push({
      severity: "high",
      id: "custom-resources-rejected",
      title: `${rejected} of ${total} ${name} objects do not fit the new schema`,
      detail: names(why, rejected),
      fix: "correct these objects before the upgrade; until then writes to them may be refused",
    });
  }
  if (unchecked.length > 0 && total > 0) {
    risks.push({
      severity: "medium",
      id: "custom-resources-unchecked",
      title: `not everything about ${name} objects could be checked`,
      detail: names(unchecked),
    });
  }
  if (action === "retained") {
    risks.push({
      severity: "low",
      id: "crd-retained",
      title: `${name} stays although the chart no longer ships it`,
      detail: `its ${count(total, "object")} stay, too; nothing updates its schema any more`,
      fix: `delete it once nothing uses it: kubectl delete crd ${name}`,
    });
  }
  return [...risks, ...findingRisks(name, findings)];
}

function findingRisks(crd: string, findings: readonly CrdFinding[]): Risk[] {
  const of = (match: (found: CrdFinding) => boolean) => findings.filter(match);
  const kinds = [
    ["high", "crd-breaking", "breaking", of(({ severity }) => severity === "error")],
    ["medium", "crd-warning", "questionable", of(({ severity }) => severity === "warning")],
    ["low", "crd-accepted", "accepted", of(({ severity, accepted }) => severity === "none" && accepted !== undefined)],
  ] as const;
  return kinds.flatMap(([severity, id, word, matching]): Risk[] => {
    if (matching.length === 0) return [];
    const detail = matching.map(
      ({ rule, path, text, accepted }) =>
        `${rule}${path ? ` ${path}` : ""}: ${accepted ? `accepted, ${accepted}` : text}`,
    );
    const title = `${crd}: ${count(matching.length, `${word} change`)} of the schema`;
    const fix = "if it is meant, say why in crdRules (docs/crd-rules.md)";
    return [{ severity, id, title, detail: names(detail), ...(severity === "low" ? {} : { fix }) }];
  });
}

function downtime(rolls: readonly Roll[]): Risk[] {
  const kinds = [
    ["deadlock", "high", "may never come up: the new pod waits for what the old one holds"],
    ["until-ready", "high", "serve nothing until the new pod is ready"],
    ["brief", "medium", "have one replica: connections break when it is replaced"],
  ] as const;
  return kinds.flatMap(([expected, severity, what]): Risk[] => {
    const matching = rolls.filter(({ downtime: at }) => at.expected === expected);
    if (matching.length === 0) return [];
    const detail = names(matching.map(({ workload, downtime: at }) => `${workload}: ${at.why}`));
    const fix =
      expected === "brief"
        ? "run two or more replicas, where the application can"
        : "upgrade in a maintenance window, or change strategy or replicas first";
    return [
      { severity, id: `downtime-${expected}`, title: `${count(matching.length, "workload")} ${what}`, detail, fix },
    ];
  });
}

function objectRisks(objects: readonly ObjectChange[]): Risk[] {
  const drifted = objects.flatMap((object) => {
    const fields = object.fields.filter(({ cause }) => cause === "drift").map(({ path }) => path);
    return fields.length > 0 ? [`${title(object)}: ${fields.join(", ")}`] : [];
  });
  const deleted = objects.filter(({ action, writer }) => action === "delete" && writer !== "record");
  const unchecked = objects.filter(({ check, writer }) => check.result === "unchecked" && writer !== "restart");
  return [
    ...risk("medium", "drift-overwritten", "changed by hand, and taken back by the upgrade", drifted, {
      fix: "put what must stay into the values",
    }),
    ...risk("medium", "objects-deleted", "deleted", deleted.map(title)),
    ...risk(
      "low",
      "unchecked",
      "not tried as a dry-run",
      unchecked.map((object) => `${title(object)}: ${object.check.message ?? ""}`),
    ),
  ];
}

function breakingRisks({ distance, values, notes }: Review["breaking"]): Risk[] {
  const risks: Risk[] = [];
  if (distance.kind === "downgrade") {
    risks.push({
      severity: "high",
      id: "downgrade",
      title: "the chart goes back to an older version",
      detail: distance.text,
    });
  } else if (distance.kind === "major" || distance.skipped.length > 0) {
    const detail = [distance.text, ...distance.skipped].join("; ");
    risks.push({ severity: "medium", id: "version-distance", title: "a big step between chart versions", detail });
  }
  const told = values.map(({ text, suggestion }) => `${text}${suggestion ? ` (did you mean ${suggestion}?)` : ""}`);
  if (told.length > 0) {
    const severity = values.some(({ problem }) => problem === "required" || problem === "invalid") ? "high" : "medium";
    const fix = "remove or rename them in the config: pulumi config rm --path values.<key>";
    const heading = `${count(values.length, "value")} the new chart does not take as given`;
    risks.push({ severity, id: "values", title: heading, detail: names(told), fix });
  }
  const loud = notes.filter(
    ({ kind }) => kind !== undefined && ["breaking", "removed", "security", "deprecated"].includes(kind),
  );
  if (loud.length > 0) {
    const detail = names(loud.map(({ version, kind, text }) => `${version} ${kind}: ${text}`));
    risks.push({ severity: "medium", id: "chart-notes", title: "the chart's own notes warn", detail });
  }
  return risks;
}

function imageRisks(images: Review["images"]): Risk[] {
  const named = images.map(
    ({ workload, container, image, rolls }) =>
      `${workload} ${container}: ${image}${rolls ? "" : " (not rolled: nodes may keep running an older image)"}`,
  );
  const fix = "pin a version, best with its digest";
  return risk("low", "moving-images", "on a tag that says nothing about the bytes", named, { fix, what: "image" });
}

function restartRisks({ skipped, estimate }: Review["restarts"]): Risk[] {
  const old = skipped.filter(({ reason }) => /excluded|paused|OnDelete|Pod without/.test(reason));
  const named = old.map(({ workload, reason }) => `${workload}: ${reason}`);
  const long = estimate.seconds > 3600;
  return [
    ...risk("medium", "restarts-skipped", "not restarted, and may keep an old configuration", named, {
      what: "workload",
    }),
    ...(long
      ? [
          {
            severity: "low" as const,
            id: "restarts-long",
            title: `the restarts take about ${Math.round(estimate.seconds / 60)} minutes`,
            detail: estimate.basis,
            fix: "a greater restarts.maxConcurrent makes it shorter",
          },
        ]
      : []),
  ];
}

function risk(
  severity: Risk["severity"],
  id: string,
  what: string,
  things: readonly string[],
  more: { fix?: string; what?: string } = {},
): Risk[] {
  if (things.length === 0) return [];
  const heading = `${count(things.length, more.what ?? "object")} ${things.length === 1 ? "is" : "are"} ${what}`;
  return [{ severity, id, title: heading, detail: names(things), ...(more.fix ? { fix: more.fix } : {}) }];
}

function title({ kind, namespace, name }: ObjectChange): string {
  return `${kind} ${namespace ? `${namespace}/` : ""}${name}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? "" : "s"}`;
}

/** The first things by name, the others by number. */
function names(things: readonly string[], total = things.length): string {
  const more = total - Math.min(NAMED, things.length);
  return [...things.slice(0, NAMED), ...(more > 0 ? [`and ${more} more`] : [])].join("; ");
}
