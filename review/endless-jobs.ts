import { dig, digList, isMap } from "../kubernetes/objects";
import type { PodSource } from "../kubernetes/pod-of";
import { textOf } from "../kubernetes/pod-templates";

/** Words of command lines that end a proxy beside the program. */
const ENDS_IT = /quitquitquit|linkerd-await|scuttle|pilot-agent|\/shutdown\b/;

/** How a pod is left out, by what injectors leave on those that they take. */
const LEAVES_OUT: readonly [(pod: unknown) => boolean, line: string][] = [
  [
    (pod) => dig(pod, "metadata", "annotations", "sidecar.istio.io/status") !== undefined,
    'label sidecar.istio.io/inject: "false"',
  ],
  [
    (pod) => dig(pod, "metadata", "annotations", "linkerd.io/proxy-version") !== undefined,
    "annotation linkerd.io/inject: disabled",
  ],
];

/**
 * Containers that an injector adds to a Job's pod beside its own. They do not end when these do, so the Job is never
 * complete (https://github.com/kubernetes/kubernetes/issues/25908). Native sidecars, which are init containers, end.
 *
 * @param pod as the API server would create it.
 */
export function endlessContainers({ template, what }: PodSource & { readonly what: string }, pod: unknown): string[] {
  const own = new Set(digList(template.spec, "containers").map((container) => dig(container, "name")));
  const added = digList(dig(pod, "spec"), "containers")
    .filter((container) => isMap(container) && !own.has(container["name"]))
    .flatMap((container) => textOf(dig(container, "name")) ?? []);
  if (added.length === 0 || ENDS_IT.test(JSON.stringify(template.spec ?? {}))) return [];
  const line = LEAVES_OUT.find(([leaves]) => leaves(pod))?.[1] ?? "as the injector's documentation says";
  return [
    `pods of ${what} get container ${added.join(", ")} from an injector, which goes on when the Job's own ones have ended: unless their program ends ` +
      `it, the Job is never complete, and whoever waits for it waits in vain. Leave its pod template out (${line})`,
  ];
}
