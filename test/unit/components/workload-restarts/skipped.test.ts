import { expect } from "chai";
import {
  keepsOldPods,
  skipCode,
  skippedInWords,
  type SkipReason,
} from "../../../../components/workload-restarts/skipped";

/** The words are in the state of stacks, so each is held here to the letter. */
const WORDS: [why: SkipReason, text: string, keepsOld: boolean][] = [
  [{ code: "excluded" }, "excluded by restarts.exclude", true],
  [{ code: "no-replicas" }, "has no replicas; pods started later get the new configuration", false],
  [{ code: "paused" }, "its rollout is paused; kubectl rollout resume, then pulumi up again", true],
  [{ code: "on-delete" }, "its update strategy is OnDelete; delete its pods one by one", true],
  [
    { code: "partition" },
    "its partition keeps all of its pods; lower spec.updateStrategy.rollingUpdate.partition, then pulumi up again",
    true,
  ],
  [{ code: "being-deleted" }, "is being deleted", false],
  [{ code: "webhook-down", message: "why" }, "no new pod of it can be created now: why", true],
  [{ code: "unchanged" }, "its injected configuration does not change", false],
  [{ code: "not-found", namedBy: "restarts.canaries" }, "not found (named by restarts.canaries)", false],
  [
    { code: "not-restartable", kind: "Pod", namedBy: "CASAPolicy a/b" },
    "a Pod without a controller cannot be restarted; delete and create it (named by CASAPolicy a/b)",
    true,
  ],
  [
    { code: "not-restartable", kind: "Widget", namedBy: "CASAPolicy a/b" },
    "Widget is not restarted, only Deployments and StatefulSets are (named by CASAPolicy a/b)",
    true,
  ],
  [
    { code: "other-controller", kind: "CloneSet", how: "restart it" },
    "is of kind CloneSet, which is not restarted here: restart it",
    true,
  ],
  [{ code: "cron-job" }, "is a CronJob; the pods of its next run get the new configuration", false],
  [{ code: "job" }, "is a Job; its pods keep what they have until they end", true],
  [
    { code: "replica-set" },
    "is a ReplicaSet without a Deployment, so no new template replaces its pods; delete them one by one",
    true,
  ],
];

describe("workloads that are left alone", () => {
  for (const [why, text, keepsOld] of WORDS) {
    it(`${why.code}: ${text}`, () => {
      expect(skippedInWords([{ workload: "Deployment/a/b", why }])).to.deep.equal([
        { workload: "Deployment/a/b", reason: text },
      ]);
      expect(keepsOldPods(why.code)).to.equal(keepsOld);
    });
  }

  it("every code has its words here", () =>
    expect(new Set(WORDS.map(([{ code }]) => code))).to.deep.equal(new Set(skipCode.options)));
});
