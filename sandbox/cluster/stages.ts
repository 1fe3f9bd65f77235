/** Pod annotations by which a test or the demo chooses how a simulated pod behaves. */
export const ANNOTATION = {
  /** Go duration such as `3s`: the pod runs at once and is Ready that much later. */
  readyAfter: "sandbox.casa-upgrade.dev/ready-after",
  /** `never-ready` or `crash-loop`. */
  behavior: "sandbox.casa-upgrade.dev/behavior",
  /** File with the output that `kubectl logs` shows, absolute or relative to the checkout. */
  logFile: "sandbox.casa-upgrade.dev/log-file",
  /**
   * A port of this machine, to which `kubectl port-forward` to any port of the pod leads: what listens there plays the
   * pod's server.
   */
  localPort: "sandbox.casa-upgrade.dev/local-port",
  /**
   * A command line that runs on this machine as the pod's container before it serves: its output is the log; the pod is
   * Ready, or its Job complete, when it ends well, and the container starts again when it does not.
   */
  process: "sandbox.casa-upgrade.dev/process",
  /** Set on pods with a process once their log is in place: before that nothing is to say that they run. */
  logReady: "sandbox.casa-upgrade.dev/log-ready",
} as const;

/** Time from one crash of a crash-looping container to the next, in milliseconds. */
const CRASH_AGAIN_MS = 10_000;

const annotation = (name: string) => `.metadata.annotations["${name}"]`;
const behavior = annotation(ANNOTATION.behavior);
const realProcess = annotation(ANNOTATION.process);

type Expression =
  { key: string; operator: "Exists" | "DoesNotExist" } | { key: string; operator: "In" | "NotIn"; values: string[] };
const exists = (key: string): Expression => ({ key, operator: "Exists" });
const absent = (key: string): Expression => ({ key, operator: "DoesNotExist" });
const isIn = (key: string, ...values: string[]): Expression => ({ key, operator: "In", values });
const notIn = (key: string, ...values: string[]): Expression => ({ key, operator: "NotIn", values });

const ALIVE = absent(".metadata.deletionTimestamp");
const NOT_STARTED = absent(".status.podIP");
const STARTED = exists(".status.podIP");
const READY = '.status.conditions.[] | select( .type == "Ready" ) | .status';
const OWNED_BY_JOB = isIn(".metadata.ownerReferences.[].kind", "Job");

function stage(name: string, conditions: Expression[], next: object, extra: object = {}): object {
  return {
    apiVersion: "kwok.x-k8s.io/v1alpha1",
    kind: "Stage",
    metadata: { name },
    spec: {
      resourceRef: { apiGroup: "v1", kind: "Pod" },
      selector: { matchExpressions: conditions },
      ...extra,
      next,
    },
  };
}

/**
 * What every pod gets when it starts: addresses, scheduled and initialized, init containers done. A simulated node has
 * no address, so pods in its network get one for documentation; without any they would never count as started.
 */
const STARTED_STATUS = `
hostIP: {{ or ( NodeIPWith .spec.nodeName ) "192.0.2.1" | Quote }}
podIP: {{ or ( PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) ) "192.0.2.1" | Quote }}
podIPs:
- ip: {{ or ( PodIPWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) ) "192.0.2.1" | Quote }}
startTime: {{ $now | Quote }}
phase: Running
{{ if .spec.initContainers }}
initContainerStatuses:
{{ range .spec.initContainers }}
- name: {{ .name | Quote }}
  image: {{ .image | Quote }}
  imageID: {{ .image | Quote }}
  ready: true
  restartCount: 0
  {{ if eq .restartPolicy "Always" }}
  started: true
  state: { running: { startedAt: {{ $now | Quote }} } }
  {{ else }}
  started: false
  state: { terminated: { exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }} } }
  {{ end }}
{{ end }}
{{ end }}
`;

const INITIALIZED = `
- { type: PodReadyToStartContainers, status: "True", lastTransitionTime: {{ $now | Quote }} }
- { type: Initialized, status: "True", lastTransitionTime: {{ $now | Quote }} }
{{ range .spec.readinessGates }}
- { type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }} }
{{ end }}
`;

// Reason and message are named empty, so that those of an earlier "not ready" do not stay.
const IS_READY = `
- { type: Ready, status: "True", reason: "", message: "", lastTransitionTime: {{ $now | Quote }} }
- { type: ContainersReady, status: "True", reason: "", message: "", lastTransitionTime: {{ $now | Quote }} }
`;

const UNREADY_MESSAGE = `'containers with unready status: [{{ range $i, $c := .spec.containers }}{{ if $i }} {{ end }}{{ $c.name }}{{ end }}]'`;
const NOT_READY = `
- { type: Ready, status: "False", reason: ContainersNotReady, message: ${UNREADY_MESSAGE}, lastTransitionTime: {{ $now | Quote }} }
- { type: ContainersReady, status: "False", reason: ContainersNotReady, message: ${UNREADY_MESSAGE}, lastTransitionTime: {{ $now | Quote }} }
`;

function containerStatuses(ready: boolean, state: string, restarts = "0"): string {
  return `
containerStatuses:
{{ range $index, $item := .spec.containers }}
- name: {{ $item.name | Quote }}
  image: {{ $item.image | Quote }}
  imageID: {{ $item.image | Quote }}
  ready: ${ready}
  restartCount: ${restarts}
${state}
{{ end }}
`;
}

const RUNNING = `  started: true
  state: { running: { startedAt: {{ $now | Quote }} } }`;
const TERMINATED = (exitCode: number, reason: string) =>
  `terminated: { exitCode: ${exitCode}, reason: ${reason}, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }} }`;
const CRASHED = `  started: false
  state: { waiting: { reason: CrashLoopBackOff, message: 'back-off 10s restarting failed container={{ $item.name }} pod={{ $root.metadata.name }}_{{ $root.metadata.namespace }}({{ $root.metadata.uid }})' } }
  lastState: { ${TERMINATED(1, "Error")} }`;

const NOW = "{{ $now := Now }}{{ $root := . }}";
const ONE_MORE_RESTART = "{{ add 1 ( index $root.status.containerStatuses $index ).restartCount }}";

/**
 * The life of simulated pods, as kwok Stage objects.
 *
 * - Without annotation a pod is Running and Ready at once.
 * - With `ready-after` or `never-ready` it runs, not Ready, as if its readiness probe failed; the former becomes Ready
 *   later.
 * - With `crash-loop` its containers wait in CrashLoopBackOff after exit code 1, the restart count growing.
 * - Pods of a Job succeed, or fail with `crash-loop` and restart policy Never.
 * - With `process` it runs, not Ready; what becomes of it is the process's business (see pod-process.ts).
 * - A deleted pod goes at once, its grace period not waited for.
 */
export function podStages(): object[] {
  return [
    stage("pod-start-process", [ALIVE, NOT_STARTED, exists(realProcess), exists(annotation(ANNOTATION.logReady))], {
      statusTemplate: `${NOW}conditions:${INITIALIZED}${NOT_READY}${containerStatuses(false, RUNNING)}${STARTED_STATUS}`,
    }),
    stage(
      "pod-start-ready",
      [ALIVE, NOT_STARTED, absent(realProcess), absent(behavior), absent(annotation(ANNOTATION.readyAfter))],
      {
        statusTemplate: `${NOW}conditions:${INITIALIZED}${IS_READY}${containerStatuses(true, RUNNING)}${STARTED_STATUS}`,
      },
    ),
    ...[
      stage("pod-start-slow", [ALIVE, NOT_STARTED, absent(behavior), exists(annotation(ANNOTATION.readyAfter))], {
        statusTemplate: `${NOW}conditions:${INITIALIZED}${NOT_READY}${containerStatuses(false, RUNNING)}${STARTED_STATUS}`,
      }),
      stage("pod-start-never-ready", [ALIVE, NOT_STARTED, isIn(behavior, "never-ready")], {
        event: { type: "Warning", reason: "Unhealthy", message: "Readiness probe failed: connection refused" },
        statusTemplate: `${NOW}conditions:${INITIALIZED}${NOT_READY}${containerStatuses(false, RUNNING)}${STARTED_STATUS}`,
      }),
    ],
    stage(
      "pod-become-ready",
      [
        ALIVE,
        STARTED,
        absent(behavior),
        exists(annotation(ANNOTATION.readyAfter)),
        isIn(READY, "False"),
        isIn(".status.phase", "Running"),
      ],
      { statusTemplate: `${NOW}conditions:${IS_READY}${containerStatuses(true, RUNNING)}` },
      { delay: { durationMilliseconds: 0, durationFrom: { expressionFrom: annotation(ANNOTATION.readyAfter) } } },
    ),
    stage(
      "pod-start-crash",
      [ALIVE, NOT_STARTED, isIn(behavior, "crash-loop"), notIn(".spec.restartPolicy", "Never")],
      {
        event: { type: "Warning", reason: "BackOff", message: "Back-off restarting failed container" },
        statusTemplate: `${NOW}conditions:${INITIALIZED}${NOT_READY}${containerStatuses(false, CRASHED, "1")}${STARTED_STATUS}`,
      },
    ),
    stage(
      "pod-crash-again",
      [
        ALIVE,
        STARTED,
        isIn(behavior, "crash-loop"),
        notIn(".spec.restartPolicy", "Never"),
        isIn(".status.phase", "Running"),
      ],
      {
        event: { type: "Warning", reason: "BackOff", message: "Back-off restarting failed container" },
        statusTemplate: `${NOW}${containerStatuses(false, CRASHED, ONE_MORE_RESTART)}`,
      },
      { delay: { durationMilliseconds: CRASH_AGAIN_MS } },
    ),
    stage("pod-fail", [ALIVE, NOT_STARTED, isIn(behavior, "crash-loop"), isIn(".spec.restartPolicy", "Never")], {
      statusTemplate: `${NOW}conditions:${INITIALIZED}${NOT_READY}${containerStatuses(
        false,
        `  started: false\n  state: { ${TERMINATED(1, "Error")} }`,
      )}${STARTED_STATUS.replace("phase: Running", "phase: Failed")}`,
    }),
    stage("pod-complete", [ALIVE, OWNED_BY_JOB, isIn(READY, "True"), isIn(".status.phase", "Running")], {
      statusTemplate: `${NOW}phase: Succeeded
conditions:
- { type: Ready, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now | Quote }} }
- { type: ContainersReady, status: "False", reason: PodCompleted, lastTransitionTime: {{ $now | Quote }} }
${containerStatuses(false, `  started: false\n  state: { ${TERMINATED(0, "Completed")} }`)}`,
    }),
    stage("pod-delete", [exists(".metadata.deletionTimestamp"), absent(".metadata.finalizers")], { delete: true }),
  ];
}
