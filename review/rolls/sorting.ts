import { serverTemplate } from "../../components/database-backup/data-directory";
import { systemOf } from "../../components/database-backup/server-image";
import { type ObjectPair, podWorkload } from "../../kubernetes/pod-templates";

/**
 * PostgreSQL servers whose new image is made on another system: its C library or ICU may sort texts in another way than
 * the indexes that are there. Whether it does can be asked only once it runs.
 *
 * @param replaced ids of the workloads whose pods are replaced.
 */
export function sortedByOthers(
  pairs: readonly ObjectPair[],
  namespace: string,
  replaced: ReadonlySet<string>,
): string[] {
  return pairs.flatMap(({ before, after }) => {
    const id = podWorkload(after, namespace)?.id;
    const [old, next] = [imageOf(before, namespace), imageOf(after, namespace)];
    const [was, will] = [systemOf(old), systemOf(next)];
    if (id === undefined || !replaced.has(id) || was === undefined || will === undefined || isSame(was, will))
      return [];
    return [
      `${id}: PostgreSQL goes from ${was} (${old}) to ${will} (${next}), whose libraries may ` +
        "sort texts in another way; indexes on texts then miss rows and let duplicates in. The migration gate compares the " +
        "versions where this run makes a backup, and names the statements that build the indexes anew; to be safe, stay with the system",
    ];
  });
}

/** The image of an object's database server; empty where it has none. */
function imageOf(object: ObjectPair["before"], namespace: string): string {
  const workload = podWorkload(object, namespace);
  return (object && workload && serverTemplate(workload, object)?.image) ?? "";
}

/** Some release of a system may be any of them. */
function isSame(a: string, b: string): boolean {
  return a === b || a.startsWith(`${b} `) || b.startsWith(`${a} `);
}
