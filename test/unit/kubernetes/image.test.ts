import { expect } from "chai";
import { type ImageReference, parseImage } from "../../../kubernetes/image";

describe("image references", () => {
  const cases: [image: string, parts: ImageReference][] = [
    ["redis", { registry: "docker.io", name: "redis" }],
    ["redis:7", { registry: "docker.io", name: "redis", tag: "7" }],
    ["team/keycloak:25.0.6", { registry: "docker.io", name: "keycloak", tag: "25.0.6" }],
    ["registry:5000/team/keycloak", { registry: "registry:5000", name: "keycloak" }],
    ["Quay.io/a/b:v1@sha256:0f", { registry: "quay.io", name: "b", tag: "v1", digest: "sha256:0f" }],
    ["localhost/a@sha256:0f", { registry: "localhost", name: "a", digest: "sha256:0f" }],
    ["", { registry: "docker.io", name: "" }],
  ];
  for (const [image, parts] of cases) it(image || "none", () => expect(parseImage(image)).to.deep.equal(parts));
});
