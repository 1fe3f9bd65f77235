import {
  claimMounts,
  type DataPlace,
  goesWithPod,
  isSamePlace,
  placeIn,
  placeText,
} from "../../components/database-backup/data-directory";
import { otherServers } from "../../components/database-backup/other-databases";
import type { KubeObject } from "../../kubernetes/objects";
import { type ObjectPair, podWorkload } from "../../kubernetes/pod-templates";
import type { DatabaseFinding } from "../report/schema";

interface Kept {
  make: string;
  place: DataPlace;
}

/**
 * What becomes of databases of other makes than PostgreSQL, H2 and SQLite files among them: one that is lost with its
 * pod, or that is looked for elsewhere afterwards. They are in no backup.
 *
 * @param facts `replaced`: ids of the workloads whose pods are replaced; `predicted`: the release's objects as they
 * will be.
 */
export function otherDatabaseFindings(
  pairs: readonly ObjectPair[],
  facts: { namespace: string; replaced: ReadonlySet<string>; predicted: readonly KubeObject[] },
): DatabaseFinding[] {
  return pairs.flatMap(({ before, after }) => {
    const workload = podWorkload(before, facts.namespace);
    if (!before || !workload || workload.replicas === 0) return [];
    const { id } = workload;
    const old = keptBy(before, facts);
    const next = after ? keptBy(after, facts) : [];
    if (after && !facts.replaced.has(id) && podWorkload(after, facts.namespace)?.replicas !== 0) return [];
    return old.flatMap(({ make, place }): DatabaseFinding[] => {
      const from = `${id}: its ${make} database is in ${placeText(place)}`;
      if (goesWithPod(place)) {
        const text = `${from}, which goes with the pod, and this upgrade ${after ? "replaces" : "deletes"} it: the database is lost`;
        return [{ workload: id, problem: "lost", text, fix: howToKeep(make) }];
      }
      const heir = next.find((one) => one.make === make);
      if (!heir || isSamePlace(heir.place, place)) return [];
      const text = `${from} and will be in ${placeText(heir.place)}, so the new pod begins with an empty database; the data stays where it is`;
      return [{ workload: id, problem: "moved", text, fix: "leave claim, mountPath and file as they are" }];
    });
  });
}

function keptBy(
  object: KubeObject,
  { namespace, predicted }: { namespace: string; predicted: readonly KubeObject[] },
): Kept[] {
  const workload = podWorkload(object, namespace);
  if (!workload) return [];
  return otherServers(workload, predicted).flatMap(({ container, store }) => {
    const place = placeIn(store.directory, container, workload, object);
    // Several servers may be one another's copies, and one with a claim may be set to keep its data there.
    const isDoubtful =
      store.isGuess &&
      (workload.replicas > 1 || (place.kind === "none" && claimMounts(container, workload, object).length > 0));
    return isDoubtful ? [] : [{ make: store.make, place }];
  });
}

const howToKeep = (make: string) =>
  `save it by its own means first, it is in no backup; and let it keep its data on a claim${make === "H2" ? " or in PostgreSQL" : ""}, or keep its ` +
  "pod template as it is (pin image and pod annotations)";
