import { expect } from "chai";
import { findUnstable } from "../../../helm/unstable";
import type { KubeObject } from "../../../kubernetes/objects";
import { refuseIncompleteRun, unreviewed } from "../../../upgrade/last-look";
import { refuseNumberTags } from "../../../upgrade/number-tags";

const map = (name: string, data: Record<string, unknown> = {}): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});

describe("the last look", () => {
  const rendered = [map("a", { fixed: "1", made: "x" }), map("keys", { k1: "v" }), map("name-abc")];
  const again = [map("a", { fixed: "1", made: "y" }), map("keys", { k2: "v" }), map("name-def")];
  const reviewed = { rendered, hooks: [map("hook")], unstable: findUnstable(rendered, again, "ns") };
  const look = (objects: KubeObject[], hooks = [map("hook")]) => unreviewed(reviewed, { objects, hooks }, "ns");

  it("lets pass what is made up, in values, keys and names", () => {
    expect(look([map("a", { fixed: "1", made: "z" }), map("keys", { k3: "w" }), map("name-ghi")])).to.deep.equal([]);
  });

  it("names what is new, gone, or different, hooks included", () => {
    const now = [map("a", { fixed: "2", made: "z" }), map("keys", { k3: "w" }), map("name-ghi"), map("name-jkl")];
    expect(look(now, [])).to.deep.equal([
      "ConfigMap ns/name-jkl: it was not in the review",
      "ConfigMap ns/hook: it is gone",
      "ConfigMap ns/a: it is different",
    ]);
  });

  it("refuses a run that leaves steps out", () => {
    refuseIncompleteRun([]);
    expect(() => refuseIncompleteRun(["the backup", "the CRDs"])).to.throw(
      /leaves out the backup and the CRDs.*--target/s,
    );
  });
});

describe("image tags that are numbers", () => {
  const pod = (image: string): KubeObject => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "d" },
    spec: { template: { spec: { containers: [{ name: "c", image }] } } },
  });

  it("are refused with the value's path and the line that makes it a text", () => {
    const values = { auth: { image: { tag: 20240101 } } };
    expect(() => refuseNumberTags([pod("a/b:2.0240101e+07")], values)).to.throw(
      /tag is the number 20240101[\s\S]*config set --path values.auth.image.tag 20240101 --type string/,
    );
    expect(() => refuseNumberTags([pod("a/b:1e+06")], {})).to.throw(/make the tag a text \("1000000"\)/);
  });

  it("texts that only look like one are let alone", () => {
    for (const image of ["a/b:20240101", "a/b:1.2e7", "a/b:12e4567", "a/b@sha256:0e1", "a/b"])
      refuseNumberTags([pod(image)], {});
  });
});
