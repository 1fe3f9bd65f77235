import * as pulumi from "@pulumi/pulumi";
import type { FoundSections, Review } from "../review/report/schema";

/**
 * Sections of the review that the resource carries, bounded; the whole review is in the report of `casa-upgrade plan`.
 */
export type UpgradeReviewArgs = Omit<FoundSections, "restarts" | "refusals"> &
  Pick<Review, "verdict" | "risks" | "warnings" | "acknowledgements"> & {
    /** The stack's config and the release, for messages that say what to type. */
    readonly release: Review["identity"]["release"];
    readonly runtime: Review["runtime"];
    readonly restarts: Omit<Review["restarts"], "groups"> & {
      /** Workloads to restart in this run. */
      readonly pending: number;
      /** All MAS workloads that somebody names. */
      readonly total: number;
    };
    /** What was left out because there was too much of it, in words. */
    readonly omitted: readonly string[];
  };

/**
 * Carries what the preview found out to whoever reads resources: `pulumi preview --diff` and policies, which see inputs
 * and nothing else. There is nothing behind it on the cluster.
 *
 * A custom resource and no component because its inputs describe what is still to be done: after the upgrade that is
 * nothing, and the engine would count a component's emptied inputs as one more change. Its provider says that only a
 * review with changes is a difference, so a repeated run stays without any.
 */
export class UpgradeReview extends pulumi.CustomResource {
  constructor(name: string, args: UpgradeReviewArgs, opts?: pulumi.CustomResourceOptions) {
    super("pulumi-nodejs:dynamic/casa-upgrade:UpgradeReview", name, { ...args, __provider: PROVIDER }, opts);
  }
}

/** Entries of one list that the resource carries; the engine keeps them in its state and prints them. */
const MOST = 200;

/**
 * The review as a resource carries it: bounded, and without what other resources show already (each single restart).
 */
export function reviewArgs(review: Review): UpgradeReviewArgs {
  const omitted: string[] = [];
  const first = <T>(what: string, list: readonly T[]): T[] => {
    if (list.length > MOST) omitted.push(`${list.length - MOST} of ${list.length} ${what}`);
    return list.slice(0, MOST);
  };
  const { groups, ...restarts } = review.restarts;
  const targets = groups.flatMap(({ workloads }) => workloads);
  const objects = review.objects.filter(({ writer }) => writer !== "restart");
  return {
    verdict: review.verdict,
    objects: first("objects", objects).map((object) => ({
      ...object,
      fields: first(`fields of ${object.kind} ${object.name}`, object.fields),
    })),
    rolls: first("rolls", review.rolls),
    images: first("images", review.images),
    claims: first("claims", review.claims),
    contents: first("namespaces and CRDs", review.contents ?? []),
    databases: first("databases", review.databases),
    keycloak: first("keycloaks", review.keycloak),
    breaking: { ...review.breaking, notes: first("notes of the chart", review.breaking.notes) },
    crds: review.crds,
    risks: first("risks", review.risks),
    warnings: review.warnings,
    restarts: {
      ...restarts,
      skipped: first("skipped restarts", restarts.skipped),
      pending: targets.filter(({ done }) => !done).length,
      total: targets.length + restarts.skipped.length,
    },
    runtime: review.runtime,
    acknowledgements: review.acknowledgements,
    release: review.identity.release,
    omitted,
  };
}

/**
 * What the SDK's provider of dynamic resources carries out for {@link UpgradeReview}. The SDK would make this text of
 * functions, for which it loads a TypeScript compiler at every start.
 */
const PROVIDER = `exports.handler = () => ({
  create: async (inputs) => ({ id: "review", outs: inputs }),
  update: async (_id, _olds, news) => ({ outs: news }),
  diff: async (_id, olds, news) => {
    const content = (inputs) => JSON.stringify({ ...inputs, __provider: "" });
    return { changes: news.verdict !== "unchanged" && content(olds) !== content(news) };
  },
});
`;
