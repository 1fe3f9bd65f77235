import { expect } from "chai";
import { findUnstable, joinUnstable, maskUnstable } from "../../../helm/unstable";
import { atOtherTime, mayCoincide, rendersTheSame, valuesAtOtherTime } from "../../../helm/other-time";
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

  it("two renderings are enough where they cannot be the same by chance", () => {
    const chart = (text: string) => new Map([["templates/a.yaml", Buffer.from(text)]]);
    for (const text of ["{{ randAlpha 1 }}", "{{ shuffle .Values.a }}", "{{ randInt 0 5 }}"]) {
      expect(mayCoincide(chart(text))).to.equal(true);
    }
    expect(mayCoincide(chart("{{ randAlphaNum 10 }}"))).to.equal(false);
    // As in the library chart `common` 2 of Bitnami.
    const password = `{{- $subStr := list (lower (randAlpha 1)) (randNumeric 1) (upper (randAlpha 1)) | join "_" }}
      {{- $password = randAscii $passwordLength }}
      {{- $password = printf "%s%s" $subStr $password | toString | shuffle }}`;
    expect(mayCoincide(chart(password))).to.equal(false);
    expect(mayCoincide(chart(`${password}{{ shuffle "ab" }}`))).to.equal(true);
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
