import { expect } from "chai";
import { parseImage } from "../../../kubernetes/image";
import { isFrom } from "../../../policies/images";

describe("registries that images may come from", () => {
  for (const [image, allowed, is] of [
    ["redis:7", "docker.io", true],
    // Docker Hub has several hosts, and its own images are below library.
    ["redis:7", "docker.io/library", true],
    ["library/redis:7", "docker.io/library", true],
    ["index.docker.io/library/redis:7", "docker.io", true],
    ["bitnami/redis:7", "index.docker.io/bitnami", true],
    ["evil/redis", "docker.io/library", false],
    ["r.io:5000/team/a@sha256:0", "r.io:5000/team", true],
    ["r.io/team-b/a", "r.io/team", false],
    ["r.io/a", "docker.io", false],
  ] as const) {
    it(`${image}: ${is ? "from" : "not from"} ${allowed}`, () => {
      expect(isFrom(image, parseImage(image).registry, allowed)).to.equal(is);
    });
  }
});
