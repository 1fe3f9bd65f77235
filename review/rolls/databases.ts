import type { RunningServer } from "../../components/database-backup/cluster/running-servers";
import {
  type DataPlace,
  dataPlaces,
  goesWithPod,
  isSamePlace,
  placeText,
  type ServerTemplate,
  serverTemplate,
} from "../../components/database-backup/data-directory";
import { imageMajor, majorOf, repositoryOf } from "../../components/database-backup/server-image";
import { type ObjectPair, podWorkload, type PodWorkload } from "../../kubernetes/pod-templates";
import type { DatabaseFinding } from "../report/schema";
import { imageProblem } from "./images";
import { operatedGone } from "./operated";

/** What {@link databaseFindings} needs beside the objects that change. */
export interface DatabaseFacts {
  /** Namespace of objects that name none. */
  namespace: string;
  /** Ids of the workloads whose pods are replaced. */
  replaced: ReadonlySet<string>;
  /** What the running servers say, by workload. */
  running: ReadonlyMap<string, RunningServer>;
}

interface Server {
  workload: PodWorkload;
  template: ServerTemplate;
}

/**
 * What becomes of the data of each PostgreSQL server that the upgrade touches: a data directory that is lost with its
 * pod, or that is another one afterwards; data of another major version than the new server's; a server that is gone.
 */
export function databaseFindings(pairs: readonly ObjectPair[], facts: DatabaseFacts): DatabaseFinding[] {
  const created = pairs.flatMap((pair) => (pair.before ? [] : (serverOf(pair.after, facts.namespace) ?? [])));
  return pairs.flatMap((pair) => {
    const before = serverOf(pair.before, facts.namespace);
    if (!before) return operatedGone(pair, pairs, facts.namespace);
    const after = serverOf(pair.after, facts.namespace);
    return after ? kept(before, after, facts) : gone(before, created, facts);
  });
}

function serverOf(object: ObjectPair["before"], namespace: string): Server | undefined {
  const workload = podWorkload(object, namespace);
  const template = object && workload && serverTemplate(workload, object);
  return workload && template && { workload, template };
}

/** A server that is there before and after. */
function kept(before: Server, after: Server, facts: DatabaseFacts): DatabaseFinding[] {
  const { id } = after.workload;
  const running = facts.running.get(id);
  const stops = before.workload.replicas > 0 && after.workload.replicas === 0;
  if (!facts.replaced.has(id) && !stops) return [];
  const places = dataPlaces(before.template, after.template, running);
  const from = `${id}: its data is in ${placeText(places.before)}`;
  const finding = (problem: DatabaseFinding["problem"], text: string, fix: string) => [
    { workload: id, problem, text, fix },
  ];
  // What a replica loses it gets anew from its primary.
  const isCopy = before.template.isReplica && after.template.isReplica;
  if (isCopy && (goesWithPod(places.before) || !isSamePlace(places.before, places.after))) return [];
  if (!isSamePlace(places.before, places.after)) {
    const to = `${from} and will be in ${placeText(places.after)}, so the new server begins with an empty database`;
    return finding("moved", `${to}; ${fate(places.before)}`, howToMove(places.after, running?.name));
  }
  if (goesWithPod(places.before)) {
    // Without a pod there is nothing that could be lost.
    if (before.workload.replicas === 0) return [];
    const what = stops ? "takes its pod down" : "replaces its pod";
    const lost = `${from}, which goes with the pod, and this upgrade ${what}: the database is lost`;
    return finding("lost", lost, howToKeep(places.before, running));
  }
  return majorFinding(before, after, places.before, running?.version).flatMap(({ problem, text, fix }) =>
    finding(problem, `${id}: ${text}`, fix),
  );
}

/** A server that the upgrade deletes, unless a new one goes on with its data. */
function gone(before: Server, created: readonly Server[], facts: DatabaseFacts): DatabaseFinding[] {
  if (before.template.isReplica) return [];
  const { id } = before.workload;
  const running = facts.running.get(id);
  const place = dataPlaces(before.template, before.template, running).before;
  const heir = created.find(
    ({ workload, template }) =>
      workload.namespace === before.workload.namespace &&
      !goesWithPod(place) &&
      isSamePlace(dataPlaces(before.template, template, running).after, place),
  );
  if (heir) {
    return majorFinding(before, heir, place, running?.version).map((found) => ({
      ...found,
      workload: heir.workload.id,
      text: `${heir.workload.id} takes the place of ${id}: ${found.text}`,
    }));
  }
  const ids = created.map(({ workload }) => workload.id);
  const others = ids.length > 0 ? `; ${ids.join(", ")} is new and begins with an empty database` : "";
  const text = `${id} and its data in ${placeText(place)} are no longer part of the release${others}; ${fate(place)}`;
  return [{ workload: id, problem: "gone", text, fix: howToReplace(running?.name) }];
}

/** What the new server says to the data of the old one, both on the same volume. */
function majorFinding(
  before: Server,
  after: Server,
  place: DataPlace,
  version: string | undefined,
): Omit<DatabaseFinding, "workload">[] {
  const { image } = after.template;
  const old = before.template.image;
  const running = majorOf(version) ?? imageMajor(old);
  const next = majorAfter(old, image, majorOf(version));
  if (running !== undefined && running === next) return [];
  // It goes up by itself, and never back.
  if (after.template.upgrades && !(Number(next) < Number(running))) return [];
  // The same digest is the same server, whatever it is, and so is the same tag unless it is one that moves.
  if (old === image && (image.includes("@") || imageProblem(image) === undefined)) return [];
  const what = version ?? running;
  const server = what === undefined ? "PostgreSQL of an unknown version" : `PostgreSQL ${what}`;
  if (running !== undefined && next !== undefined) {
    const text = `${server} wrote the data in ${placeText(place)}, on which PostgreSQL ${next} (${image}) does not start`;
    return [{ problem: "major", text, fix: howToChangeMajor(running, next) }];
  }
  // A tag that did not change is a matter of images-pinned, unless it moves over major versions.
  if (old === image && imageMajor(image) !== undefined) return [];
  const text =
    `${server} wrote the data in ${placeText(place)}, and which version ${image} is cannot be told; ` +
    "a server of another major does not start on it";
  return [{ problem: "major-unknown", text, fix: howToName(image, running) }];
}

/** The major of the new image; tags that say something else of the running one say nothing of it, either. */
function majorAfter(old: string, image: string, running: string | undefined): string | undefined {
  const told = imageMajor(old);
  const foreign = running !== undefined && told !== undefined && told !== running;
  return foreign && repositoryOf(old) === repositoryOf(image) ? undefined : imageMajor(image);
}

function fate(place: DataPlace): string {
  return goesWithPod(place) ? "the data is lost with the pod" : "the data stays there, and nobody reads it";
}

const restoreLine = (name = "<name>") => `npx casa-upgrade restore --database ${name} --yes`;

const howToKeep = ({ kind }: DataPlace, running?: RunningServer) => {
  const how = kind === "imageVolume" ? `mount it at ${running?.mountPoint ?? ""}` : "persistence on in the values";
  return (
    `let it keep its data on a claim (${how}; move the data there first), or keep its pod template as ` +
    `it is (pin image and pod annotations); or accept the finding, and after the upgrade: ${restoreLine(running?.name)}`
  );
};

const howToMove = (to: DataPlace, name?: string) =>
  `leave claim, mountPath and PGDATA as they are${goesWithPod(to) ? " (persistence on in the values)" : ""}; ` +
  `or accept the finding, and after the upgrade: ${restoreLine(name)}`;

const howToReplace = (name?: string) =>
  "keep the server in the chart; or accept the finding once its data is where the new version looks for it " +
  `(the backup of this run goes into another server by: ${restoreLine(name)})`;

const howToChangeMajor = (from: string, to: string) =>
  `stay with PostgreSQL ${from} (pin the image in the values, e.g. postgres:${from}); or go to ${to} by dump and restore: ` +
  "a new server with a claim of its own, the backup restored into it, and only then the chart";

const howToName = (image: string, major = "<version>") =>
  `name the version, beside a digest too: ${repositoryOf(image)}:${major}${image.includes("@") ? `@${image.split("@")[1] ?? ""}` : ""}`;
