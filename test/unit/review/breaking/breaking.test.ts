import { expect } from "chai";
import type { ChartDependency, ChartPackage } from "../../../../helm/chart-package";
import { readChartPackage } from "../../../../helm/chart-package";
import { templateUses } from "../../../../helm/template-uses";
import { valuesFindings } from "../../../../review/breaking/values";
import { versionDistance } from "../../../../review/breaking/versions";
import { mergeValues, type Values } from "../../../../config/values";

const CHARTS = "test/fixtures/charts";

/** A chart as its package would be read: default values, templates, schema and subcharts. */
function chartOf(
  values: Values,
  templates: string[] = [],
  more: { schema?: unknown; dependencies?: ChartDependency[] } & Partial<ChartPackage> = {},
): ChartPackage {
  const below = (more.dependencies ?? []).flatMap(({ key, chart }) => (chart ? [{ [key]: chart.defaults }] : []));
  const defaults = mergeValues(...below, values);
  const uses = templateUses(templates);
  return { name: "c", version: "1.0.0", annotations: {}, dependencies: [], values, defaults, uses, notes: [], ...more };
}

const dependency = (key: string, chart?: ChartPackage, more: Partial<ChartDependency> = {}): ChartDependency => ({
  key,
  name: key,
  conditions: [],
  tags: [],
  importedTo: [],
  ...(chart ? { chart } : {}),
  ...more,
});

/** Findings as `problem path -> suggestion`. */
function found(values: Values, chart: ChartPackage, installedDefaults: Values = {}): string[] {
  return valuesFindings({ values, installedDefaults, chart }).map(
    ({ problem, path, suggestion }) => `${problem} ${path}${suggestion === undefined ? "" : ` -> ${suggestion}`}`,
  );
}

describe("versionDistance", () => {
  const cases: [string | undefined, string, string, string[]][] = [
    [undefined, "0.1.0", "install", []],
    ["1.2.3", "1.2.3", "none", []],
    ["v1.2.3", "1.2.3", "none", []],
    ["1.2.3", "1.2.4", "patch", []],
    ["1.2.3", "1.3.0", "minor", []],
    ["0.1.0", "0.5.2", "minor", ["minor versions 0.2 to 0.4 are skipped"]],
    ["0.1.0", "0.3.0", "minor", ["minor version 0.2 is skipped"]],
    ["1.9.0", "2.0.0", "major", []],
    ["1.9.0", "5.2.0", "major", ["major versions 2 to 4 are skipped", "minor versions 5.0 to 5.1 are skipped"]],
    ["0.3.0", "0.1.0", "downgrade", []],
    ["1.0.0", "1.0.0-rc.1", "downgrade", []],
    ["1.0.0-rc.1", "1.0.0", "prerelease", []],
    ["1.0.0-rc.1", "1.0.0-rc.2", "prerelease", []],
    ["1.0.0", "1.1.0-rc.1", "minor", []],
    ["1.0.0+a", "1.0.0+b", "other", []],
    ["latest", "1.0.0", "other", []],
    // What helm packages besides.
    ["1.4", "1.2", "downgrade", []],
    ["2", "1", "downgrade", []],
    ["24.01.3", "24.2.0", "minor", []],
    ["2024.12.0", "2025.1.0", "major", []],
  ];
  for (const [before, after, kind, skipped] of cases) {
    it(`${before ?? "nothing"} -> ${after}: ${kind}`, () => {
      const distance = versionDistance(before, after);
      expect([distance.kind, distance.skipped]).to.deep.equal([kind, skipped]);
      expect(distance.text).to.include(after);
    });
  }

  it("says that a minor step before 1.0.0 may break things, and no other one does", () => {
    expect(versionDistance("0.1.0", "0.2.0").text).to.include("may break");
    expect(versionDistance("0.1.0", "0.1.1").text).not.to.include("break");
    expect(versionDistance("1.1.0", "1.2.0").text).not.to.include("break");
    expect(versionDistance("1.1.0", "1.2.0-rc.1").text).to.include("1.2.0-rc.1 is a pre-release");
  });
});

describe("templateUses", () => {
  const uses = (...templates: string[]) => {
    const { mentioned, open, passed } = templateUses(templates);
    const dotted = (paths: string[][]) => [...new Set(paths.map((path) => path.join(".")))].sort();
    return { mentioned: dotted(mentioned), open: dotted(open), passed: dotted(passed) };
  };

  it("reads fields, index, get, brackets and variables", () => {
    const { mentioned } = uses(
      `{{ .Values.a.b }} {{ $.Values.c }} {{ .root.Values.d }} {{ index .Values "e" "f-g" }} {{ (index .Values "h").i }}
       {{ ((.Values.j).k).l }} {{ get .Values.m "n" }} {{- $x := .Values.o -}} {{ $x.p }} {{ $y := index .Values "q" | default dict }}
       {{ $y.r.s }} {{/* .Values.comment */}}`,
    );
    const expected = ["a.b", "c", "d", "e.f-g", "h.i", "j.k.l", "m.n", "o", "o.p", "q", "q.r.s"];
    expect(mentioned).to.deep.equal(expected);
  });

  it("is not misled by braces in strings, comments and files that are no templates", () => {
    expect(
      uses(`{{ printf "{{%s}}" .Values.a }} {{- /* it's "{{ .Values.no */ -}} {{ .Values.b }}`).mentioned,
    ).to.deep.equal(["a", "b"]);
    const started = Date.now();
    for (const odd of ["{{", '{{ "', "{{ `", "{{ .a ("]) uses(odd.repeat(500_000));
    expect(Date.now() - started).to.be.below(5_000);
  });

  it("takes a map for open when it is used as a whole, not when it is only tested", () => {
    const { open } = uses(
      `{{ if .Values.tested }}{{ end }}{{ if and .Values.one (not .Values.two.three) }}{{ end }}
       {{ with .Values.a }}{{ end }}{{ range $k, $v := .Values.b }}{{ end }}{{ toYaml .Values.c | nindent 2 }}
       {{ include "x" .Values.d }}{{ tpl .Values.e $ }}{{ index .Values.f $name }}{{ $m := merge .Values.g .Values.h }}
       {{ if eq (toYaml .Values.i) "" }}{{ end }}{{ $v := .Values.j }}{{ toYaml $v }}{{ else if hasKey .Values.k "l" }}`,
    );
    expect(open).to.deep.equal(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
  });

  it("tells a map in a dict from one that the other template uses as a whole", () => {
    const call = `{{ include "x" (dict "values" .Values.a "whole" .Values.b "root" $ "Values" .Values) }}`;
    const { open, passed } = uses(call, `{{ define "x" }}{{ .values.image }}{{ toYaml .whole }}{{ end }}`);
    expect({ open, passed }).to.deep.equal({ open: ["b"], passed: ["a"] });
  });
});

describe("valuesFindings: keys", () => {
  const chart = chartOf(
    {
      image: { repository: "r", tag: "t" },
      replicaCount: 1,
      nodeSelector: {},
      extra: null,
      service: { ports: { http: 80 } },
    },
    ["{{ .Values.image.digest }} {{ if .Values.debug.enabled }}{{ end }} {{ range .Values.hosts }}{{ end }}"],
  );

  it("knows defaults, mentioned keys, and everything below an open map", () => {
    const values = {
      image: { repository: "x", digest: "y" },
      nodeSelector: { "a.b/c": "d" },
      extra: { any: { thing: 1 } },
      debug: { enabled: true },
      hosts: { a: { b: 1 } },
      global: { whatever: 1 },
      tags: { x: true },
    };
    expect(found(values, chart)).to.deep.equal([]);
  });

  it("suggests the nearest key, in the same map first, with upper and lower case alike", () => {
    const values = { replicacount: 2, image: { tagg: "x" }, imgae: { tag: "x" }, service: { port: { http: 1 } } };
    expect(found(values, chart)).to.deep.equal([
      "unknown replicacount -> replicaCount",
      "unknown image.tagg -> image.tag",
      "unknown imgae -> image",
      "unknown service.port -> service.ports",
    ]);
  });

  it("suggests where a key has moved to, if there is one such key only", () => {
    const moved = chartOf({ llm: { apiKey: "" }, a: { enabled: true }, b: { enabled: true } });
    expect(found({ openai: { apiKey: "k" }, c: { enabled: true } }, moved, { openai: { apiKey: "" } })).to.deep.equal([
      "dropped openai.apiKey -> llm.apiKey",
      "unknown c",
    ]);
  });

  it("suggests nothing when nothing is near, and passes over a null, which only takes a default away", () => {
    expect(found({ completelyOther: 1, gone: null }, chart)).to.deep.equal(["unknown completelyOther"]);
  });

  it("tells dropped from unknown by the installed chart's defaults, open maps of it included", () => {
    const installed = { openai: { apiKey: "" }, oldLabels: {}, oldList: [] };
    const values = { openai: { apiKey: "x", other: 1 }, oldLabels: { a: "b" }, oldList: [1], never: 1 };
    expect(found(values, chart, installed)).to.deep.equal([
      "dropped openai.apiKey",
      "unknown openai.other",
      "dropped oldLabels",
      "dropped oldList",
      "unknown never",
    ]);
  });

  it("escapes a dot inside a key as helm --set does", () => {
    expect(found({ image: { "a.b": 1 } }, chart)).to.deep.equal(["unknown image.a\\.b"]);
  });

  it("of values that are used all at once reports only slips of the pen and dropped keys", () => {
    for (const template of ["{{ range $k, $v := .Values }}{{ end }}", "{{ toYaml (index .Values $name) }}"]) {
      const whole = chartOf({ auth: { replicaCount: 1 } }, [template]);
      const values = { auht: {}, other: { any: 1 }, old: 1, auth: { foreign: 1, replicaCont: 2 } };
      expect(found(values, whole, { old: 1 })).to.deep.equal([
        "unknown auht -> auth",
        "dropped old",
        "unknown auth.replicaCont -> auth.replicaCount",
      ]);
    }
  });

  it("of a map that templates hand around reports only what no template can mean", () => {
    const passed = chartOf({ auth: { replicaCount: 1, image: {}, resources: { limits: { cpu: 1 } } } }, [
      `{{ include "w" (dict "values" .Values.auth) }}`,
      `{{ define "w" }}{{ .values.replicaCount }}{{ .values.priorityClass }}{{ toYaml .values.resources }}{{ end }}`,
    ]);
    const values = {
      auth: { replicaCout: 1, priorityClass: "x", noWord: 1, oldKey: 1, resources: { limts: { cpu: 2 } } },
    };
    expect(found(values, passed, { auth: { oldKey: 1 } })).to.deep.equal([
      "unknown auth.replicaCout -> auth.replicaCount",
      "unknown auth.noWord",
      "dropped auth.oldKey",
    ]);
    const incomplete = { ...passed, dependencies: [dependency("library")] };
    expect(found(values, incomplete), "the missing subchart may read any key").to.deep.equal([]);
  });

  it("lets values that are templates read the user's own keys", () => {
    expect(
      found({ nodeSelector: { a: "{{ .Values.mine.zone }}" }, mine: { zone: "z", size: 1 }, yours: 1 }, chart),
    ).to.deep.equal(["unknown yours"]);
  });

  it("checks a subchart's keys against the subchart; one that is not in the package may have any", () => {
    const child = chartOf({ sampling: 0.1 }, ["{{ .Values.sampling }}"], { name: "child" });
    const parent = chartOf({}, [], {
      dependencies: [
        dependency("child", child, { conditions: [["child", "enabled"]] }),
        dependency("absent"),
        dependency("filling", chartOf({}), { importedTo: [["imported"]] }),
      ],
    });
    const values = {
      child: { sampling: 1, enabled: true, global: { a: 1 }, samplng: 2 },
      absent: { a: { b: 1 } },
      imported: { any: 1 },
    };
    expect(found(values, parent)).to.deep.equal(["unknown child.samplng -> child.sampling"]);
  });

  it("finds the keys that the sample runtime dropped, and no others, in both directions", async () => {
    const [first, last] = await Promise.all(
      ["0.1.0", "0.3.0"].map((v) => readChartPackage(`${CHARTS}/casa-runtime-${v}`)),
    );
    if (!first || !last) throw new Error("no charts");
    expect(found(first.values, last, first.values)).to.deep.equal([
      "dropped openai.apiKey",
      "dropped openai.model",
      "dropped jwtToken",
    ]);
    expect(found(last.values, first, last.values)).to.deep.equal([
      "dropped istio.maxBodyBytes",
      "dropped casa-observability.enabled",
    ]);
    expect(
      found({ keycloak: { replicas: 2, image: { tga: "1" } }, sidecar: { config: { any: 1 } } }, last),
    ).to.deep.equal(["unknown keycloak.replicas", "unknown keycloak.image.tga -> keycloak.image.tag"]);
  });

  it("finds nothing in the defaults of any sample chart", async () => {
    for (const name of [
      "casa-runtime-0.1.0",
      "casa-runtime-0.2.0",
      "casa-runtime-0.2.1",
      "casa-runtime-0.3.0",
      "other-runtime",
    ]) {
      const sample = await readChartPackage(`${CHARTS}/${name}`);
      expect(found(sample.defaults, sample), name).to.deep.equal([]);
    }
  });
});

describe("valuesFindings: values.schema.json", () => {
  it("knows the keys behind local references; what it says of their values is helm's to check", () => {
    const schema = {
      required: ["missing"],
      properties: {
        image: { $ref: "#/definitions/image" },
        pod: { $ref: "https://example.com/k8s.json" },
        name: { type: "string", pattern: "(?i)^[a-z]+$" },
      },
      definitions: { image: { type: "object", properties: { tag: { type: "string" } }, additionalProperties: false } },
    };
    const values = { image: { tag: 1, tga: "x" }, pod: { any: 1 }, name: 7 };
    expect(found(values, chartOf({}, [], { schema }))).to.deep.equal(["unknown image.tga -> image.tag"]);
  });

  it("takes the keys of a map for known where the schema opens it or nothing names one, not where defaults do", () => {
    const quiet = {
      required: ["a"],
      properties: {
        free: { type: "object" },
        a: { type: "object" },
        more: { properties: { x: {} }, additionalProperties: true },
      },
    };
    const values = { free: { any: 1 }, a: { kye: 1 }, more: { y: 1 }, other: 1 };
    expect(found(values, chartOf({ a: { key: 1 } }, [], { schema: quiet }))).to.deep.equal([
      "unknown a.kye -> a.key",
      "unknown other",
    ]);
  });

  it("stays quick with a schema that refers to itself in many ways", () => {
    const many = Object.fromEntries([..."abcdefghijkl"].map((key) => [key, { $ref: "#/definitions/n" }]));
    const names = Array.from({ length: 30 }, (_, i) => `d${i}`);
    const fan = Object.fromEntries(
      names.map((name, i) => [
        name,
        { properties: { x: { $ref: `#/definitions/d${i + 1}` }, y: { $ref: `#/definitions/d${i + 1}` } } },
      ]),
    );
    const deep = {
      properties: { ...many, d: { $ref: "#/definitions/d0" } },
      definitions: { n: { properties: many }, ...fan, d30: {} },
    };
    expect(found({ a: { b: { c: 1 } } }, chartOf({}, [], { schema: deep }))).to.deep.equal([]);
  }).timeout(10_000);
});
