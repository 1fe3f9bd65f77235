import { expect } from "chai";
import { findUnstable, joinUnstable, maskUnstable } from "../../../helm/unstable";
import { atOtherTime, rendersTheSame, valuesAtOtherTime } from "../../../helm/other-time";
import type { KubeObject } from "../../../kubernetes/objects";

const map = (name: string, data: Record<string, unknown>): KubeObject => ({
  apiVersion: "v1",
  kind: "ConfigMap",
  metadata: { name },
  data,
});

describe("what a chart makes up while it renders", () => {
  it("values, keys, lists of another length, and names", () => {
    const first = [map("a", { r: "x", fixed: "y", list: [1, 2] }), map("b", { k1: "v" }), map("job-abc12-end", {})];
    const second = [map("a", { r: "z", fixed: "y", list: [1] }), map("b", { k2: "v" }), map("job-xyz99-end", {})];
    const found = findUnstable(first, second, "ns");
    expect(found.paths.get("/ConfigMap ns/a")).to.deep.equal([
      ["data", "r"],
      ["data", "list"],
    ]);
    expect(found.keys.get("/ConfigMap ns/b")).to.deep.equal([
      ["data", "k1"],
      ["data", "k2"],
    ]);
    expect([...found.names]).to.deep.equal([["/ConfigMap ns/job-abc12-end", "job-<generated>-end"]]);
  });

  it("masked, two renderings are the same", () => {
    const renderings = ["p", "q", "r"].map((seed) => [
      map("a", { [`k${seed}`]: "v", at: seed }),
      map(`x-${seed}`, { a: "b" }),
    ]);
    const [first = [], ...others] = renderings;
    const masked = renderings.map((one) =>
      JSON.stringify(
        maskUnstable(
          one,
          joinUnstable(others.map((other) => findUnstable(one, one === other ? first : other, "ns"))),
          "ns",
        ),
      ),
    );
    expect(new Set(masked)).to.have.length(1);
  });

  it("one rendering is enough where no function could give something else", () => {
    const chart = (text: string) => new Map([["templates/a.yaml", Buffer.from(text)]]);
    expect(rendersTheSame(chart("a: {{ .Values.keys }} # keys"), { b: "now" })).to.equal(true);
    for (const text of ["{{ randAlpha 3 }}", "{{ keys .Values.a }}", "{{ now }}", "{{ genCA 1 2 }}"]) {
      expect(rendersTheSame(chart(text), {})).to.equal(false);
      expect(rendersTheSame(chart(""), { a: [text] })).to.equal(false);
    }
    expect(rendersTheSame(new Map([["charts/x-1.tgz", Buffer.from("")]]), {})).to.equal(false);
  });

  it("another time: only where a template asks for the time", () => {
    expect(atOtherTime('{{ now | date "2006" }}')).to.match(
      /^\{\{ \(dateModify "\d+h\d+m\d+s" now\) \| date "2006" \}\}$/,
    );
    expect(atOtherTime("{{- now.Unix -}}")).to.match(/now\)\.Unix/);
    for (const same of [
      '{{ "now" }}',
      "{{ .Values.now }}",
      "{{ $now }}",
      "now",
      "{{/* now */}}",
      "{{ `now` }}",
      "{{ nowhere }}",
    ]) {
      expect(atOtherTime(same)).to.equal(same);
    }
    expect(valuesAtOtherTime({ a: ["{{ now }}", 1, null] })).to.deep.equal({ a: [atOtherTime("{{ now }}"), 1, null] });
  });
});
