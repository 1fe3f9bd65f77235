import { backup, workloads } from "./facts";
import { policyOf } from "./rule";

/** helm cannot bring data back. */
export const postgresBackup = policyOf({
  name: "postgres-backup",
  description: "An upgrade that changes the chart needs a verified backup of all its databases, made in the same run.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "migrations run when the new version starts, and neither helm nor Pulumi can take them back",
  review: ({ runtime }) => {
    const { backup: found } = backup.parse(runtime);
    const missing = found.missing.map(({ what, fix }) => ({ what: `Not backed up: ${what}`, fix }));
    if (found.planned || !found.needed) return missing;
    return [
      ...missing,
      {
        what: `No verified backup is made in this upgrade: ${found.why}`,
        fix: "pulumi config set --path backup.enabled true",
      },
    ];
  },
  cannot: "whether a backup was made and verified: nothing in the Release says so",
});

/** A new pod waits for the volume that the old one holds, and the old one waits for the new one to be ready. */
export const postgresVolume = policyOf({
  name: "postgres-volume",
  description: "A database whose pods are replaced must not use RollingUpdate on a volume that two pods would share.",
  enforcementLevel: "mandatory",
  acknowledge: true,
  why: "two servers on one volume can destroy the data; on two nodes the new pod never starts",
  review: ({ runtime }) =>
    workloads
      .parse(runtime)
      .workloads.filter(
        (one) =>
          one.component === "postgres" &&
          one.rolls &&
          one.strategy === "RollingUpdate" &&
          one.exclusiveClaims.length > 0,
      )
      .map((one) => ({
        what: `${one.workload} is replaced by RollingUpdate while it holds ${one.exclusiveClaims.join(", ")}`,
        fix:
          "use a chart with strategy Recreate, or keep its pod template as it is (pin image and pod annotations in the values), " +
          `or take it down first: kubectl ${scaleDown(one.workload)}`,
      })),
  cannot: "what the chart's templates render",
});

function scaleDown(workload: string): string {
  const [kind = "", namespace = "", name = ""] = workload.split("/");
  return `--namespace ${namespace} scale ${kind.toLowerCase()}/${name} --replicas 0`;
}
