import { podRunners } from "./facts";
import type { Leaf, Release } from "./release";
import { type Finding, policyOf } from "./rule";

const PIN =
  "pin a version or a digest in the values, e.g. pulumi config set --path values.<component>.image.tag <version>";

/** A moving tag means that nobody knows what runs. */
export const imagesPinned = policyOf({
  name: "images-pinned",
  description: "Images do not use moving tags such as latest; by setting also: every image is named by its digest.",
  enforcementLevel: "advisory",
  acknowledge: true,
  why: "a node that has an old image keeps it, another pulls a new one: two pods of one version run different code",
  properties: {
    digest: { type: "boolean", default: false, description: "every image must be named by its digest" },
  },
  review: ({ runtime }, { digest }: { digest: boolean }) =>
    runnersOf(runtime).flatMap(({ workload, images }) =>
      images.flatMap(({ container, image, digest: named, moving }): Finding[] => {
        if (moving) return [{ what: `${workload} ${container} uses the moving image ${image || "(none)"}`, fix: PIN }];
        if (digest && !named) return [{ what: `${workload} ${container} uses ${image} without a digest`, fix: PIN }];
        return [];
      }),
    ),
  release: (release) =>
    tags(release).flatMap(({ path, value }): Finding[] => {
      const where = `values.${path.join(".")} of Release ${release.name}`;
      if (value === undefined) return [{ what: `${where} is not known yet`, fix: "give it as plain config" }];
      return MOVING.test(String(value)) ? [{ what: `${where} is the moving tag ${String(value)}`, fix: PIN }] : [];
    }),
  cannot: "the tags that the chart has by default",
});

/** An allow-list of registries; empty allows all, so it is off until somebody sets it. */
export const imageRegistries = policyOf({
  name: "image-registries",
  description: "Images come from allowed registries only. Without any in the settings, all are allowed.",
  enforcementLevel: "mandatory",
  why: "what is pulled from elsewhere was neither scanned nor signed",
  properties: {
    registries: {
      type: "array",
      items: { type: "string" },
      default: [],
      description: "hosts, as in registry.example.com or docker.io, or with a path: registry.example.com/casa",
    },
  },
  review: ({ runtime }, { registries }: { registries: string[] }) => {
    if (registries.length === 0) return [];
    return runnersOf(runtime).flatMap(({ workload, images }) =>
      images
        .filter(({ image, registry }) => !registries.some((allowed) => isFrom(image, registry, allowed)))
        .map(({ container, image, registry }) => ({
          what: `${workload} ${container} uses ${image} from ${registry}, which is not allowed (${registries.join(", ")})`,
          fix: "pulumi config set --path values.imageRegistry <allowed registry>, or the chart's key for it",
        })),
    );
  },
  release: (release, { registries }) => {
    if (registries.length === 0) return [];
    return release
      .leaves()
      .filter(({ path }) => /registry$/i.test(path.at(-1) ?? ""))
      .filter(({ value }) => value === undefined || !registries.includes(String(value)))
      .map(({ path, value }) => ({
        what: `values.${path.join(".")} of Release ${release.name} is ${value === undefined ? "not known yet" : String(value)}`,
        fix: `set it to one of ${registries.join(", ")}, as plain config`,
      }));
  },
  cannot: "the registries that the chart has by default",
});

function runnersOf(runtime: unknown) {
  const { workloads, jobs } = podRunners.parse(runtime);
  return [...workloads, ...jobs];
}

/** No number at all, or a major version alone; casa-upgrade itself knows more. */
const MOVING = /^(?:[a-z][a-z._-]*|v?\d{1,3}|pg-?\d{1,2})$/i;

function tags(release: Release): Leaf[] {
  return release.leaves().filter(({ path }) => path.at(-1) === "tag" || path.at(-1) === "imageTag");
}

/** Whether an image is from a registry, or below a path of one. */
export function isFrom(image: string, registry: string, allowed: string): boolean {
  const [host = "", ...path] = allowed.replace(/\/+$/, "").split("/");
  if (hub(registry) !== hub(host)) return false;
  if (path.length === 0) return true;
  const [first = "", ...rest] = image.split("/");
  const named = rest.length > 0 && hub(first) === hub(registry) ? rest.join("/") : image;
  const repository = named.split(/[:@]/)[0] ?? "";
  // Docker Hub's own images are below library.
  const inside = hub(registry) === HUB && !repository.includes("/") ? `library/${repository}` : repository;
  return `${inside}/`.startsWith(`${path.join("/")}/`);
}

const HUB = "docker.io";

/** Docker Hub has several hosts. */
function hub(host: string): string {
  const lower = host.toLowerCase();
  return ["index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"].includes(lower) ? HUB : lower;
}
