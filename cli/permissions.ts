import { Document, isScalar, visit } from "yaml";
import { nameWorkloads } from "../components/workload-restarts/targets";
import { crdsAmong, parseCrds } from "../crds/crds";
import { findResources } from "../kubernetes/find-resources";
import { parseManifest } from "../kubernetes/objects";
import { connectTo } from "../upgrade/preflight";
import { type Role, type RoleInput, roleManifests } from "../upgrade/roles";
import { readSnapshot } from "../upgrade/snapshot";
import type { Target } from "./arguments";
import { openStack } from "./engine";
import { type Outcome, say } from "./output";
import { withProgress } from "./progress";
import { loadedConfig, programFolder } from "./stack-config";

/**
 * Prints the Kubernetes objects of an account that reviews or upgrades this stack: what this chart version, the
 * installed one, and the MAS workloads of this moment need. Changes nothing; whoever asks must be able to read it all.
 *
 * @throws UserError
 */
export async function permissionsCommand(target: Target, role: Role): Promise<Outcome> {
  const stack = await openStack(target);
  process.chdir(await programFolder(stack));
  const loaded = await loadedConfig(stack);
  const { config } = loaded;
  const client = await connectTo(config);
  const read = () => readSnapshot(client, loaded, { stack: stack.name, upgrade: "casa" });
  const { chart, installed, systems, policies } = await withProgress("reading cluster and chart", read);
  // helm's rehearsal goes on in the background, and its folder is removed when it ends.
  await chart.rehearsal;
  const before = installed ? parseManifest(installed.latest.manifest).map(({ object }) => object) : [];
  const objects = [...chart.rendered, ...chart.hooks, ...before];
  const find = await findResources(client, objects);
  const named = nameWorkloads(systems, policies, config.restarts.workloads);
  const input: RoleInput = {
    release: config.release,
    namespace: config.namespace,
    masNamespaces: [...new Set(named.map(({ namespace }) => namespace))].sort(),
    objects,
    customResources: [...parseCrds(chart.crds, config.crdSources), ...crdsAmong(chart.rendered)].map(({ spec }) => ({
      group: spec.group,
      plural: spec.names.plural,
    })),
    migrates: config.customResourceMigrations !== undefined,
  };
  const manifests = roleManifests(role, input, find);
  if (!target.json) say(manifests.map(toYaml).join("---\n").trimEnd());
  return { code: 0, result: { apiVersion: "v1", kind: "List", items: manifests } };
}

/** As people write it: lists of words in one line. */
function toYaml(manifest: object): string {
  const document = new Document(manifest, { aliasDuplicateObjects: false });
  visit(document, { Seq: (_, list) => void (list.flow = list.items.every((item) => isScalar(item))) });
  return document.toString({ lineWidth: 0, flowCollectionPadding: false });
}
