import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import execa from "execa";
import { PluginClient, type PluginUnderTest, type Values } from "./client";
import { world } from "./kubernetes-world";

export const RELEASE = "kubernetes:helm.sh/v3:Release";

/** What a chart of these cases can vary. */
export interface ChartOptions {
  version?: string;
  /** A label of its ConfigMap, to edit a template without changing the version. */
  label?: string;
  /** Adds a CRD `things.<group>` with this description. */
  crd?: { group: string; description: string };
}

/**
 * Writes a chart named `tiny` into `folder`: a ConfigMap of `values.settings`, and with `values.workload` a Deployment
 * whose pods behave as `values.behavior` says (sandbox annotation).
 */
export function writeChart(folder: string, { version = "1.0.0", label = "plain", crd }: ChartOptions = {}): string {
  const write = (name: string, text: string) => {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  };
  write("Chart.yaml", `apiVersion: v2\nname: tiny\nversion: ${version}\nappVersion: "app-${version}"\n`);
  write("values.yaml", "settings:\n  greeting: hello\n  extra: from the chart\nworkload: false\nbehavior: null\n");
  write("templates/settings.yaml", configMap(label));
  write("templates/workload.yaml", DEPLOYMENT);
  if (crd) write("crds/things.yaml", customResourceDefinition(crd.group, crd.description));
  return folder;
}

const configMap = (label: string) => `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-settings
  labels:
    kind: ${label}
data:
{{- range $key, $value := .Values.settings }}
  {{ $key }}: {{ $value | quote }}
{{- end }}
`;

const DEPLOYMENT = `{{- if .Values.workload }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
  namespace: {{ .Release.Namespace }}
spec:
  replicas: 2
  selector:
    matchLabels: { app: {{ .Release.Name }}-web }
  template:
    metadata:
      labels: { app: {{ .Release.Name }}-web }
      annotations:
        {{- with .Values.behavior }}
        sandbox.casa-upgrade.dev/behavior: {{ . }}
        {{- end }}
    spec:
      containers:
        - name: web
          image: example.test/web:1
{{- end }}
`;

const customResourceDefinition = (group: string, description: string) => `apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: things.${group}
spec:
  group: ${group}
  names: { kind: Thing, plural: things, singular: thing }
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema: { type: object, description: ${description} }
`;

/** A folder for one suite; gone after it. */
export function scratchFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "casa-release-test-"));
  after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Starts a kubernetes plugin with helm on its PATH, configured for the shared cluster unless told otherwise. */
export async function startForReleases(plugin: PluginUnderTest, args: Values = {}): Promise<PluginClient> {
  const { tools, cluster } = await world();
  const client = await PluginClient.start(plugin, "kubernetes", {
    PATH: [tools.binDir, process.env.PATH].join(path.delimiter),
  });
  await client.configure({ kubeconfig: cluster.kubeconfig, context: cluster.context, ...args });
  return client;
}

/** A helm command on the shared cluster, started; await it for its result. */
export async function startHelm(namespace: string, args: string[]): Promise<{ process: execa.ExecaChildProcess }> {
  const { tools, cluster } = await world();
  const where = ["--kubeconfig", cluster.kubeconfig, "--namespace", namespace];
  return { process: execa(tools.path("helm"), [...args, ...where]) };
}

/** Runs helm to its end; resolves to its stdout. */
export async function helm(namespace: string, args: string[]): Promise<string> {
  return (await (await startHelm(namespace, args)).process).stdout;
}

/** `revision status chart` of each revision, oldest first. */
export async function history(namespace: string, release: string): Promise<string[]> {
  const printed = await helm(namespace, ["history", release, "--output", "json"]);
  const entries = JSON.parse(printed) as { revision: number; status: string; chart: string }[];
  return entries.map(({ revision, status, chart }) => `${revision} ${status} ${chart}`);
}

/** Waits until a release has a revision with this status. */
export async function untilStatus(namespace: string, release: string, status: string): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    const entries = await history(namespace, release).catch(() => []);
    if (entries.some((entry) => entry.split(" ")[1] === status)) return;
    await sleep(100);
  }
  throw new Error(`release ${release} never was ${status}`);
}
