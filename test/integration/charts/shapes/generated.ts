import { again, configMap, deployment, join, type Shape } from "./shape";

/** Values that a chart makes up while it renders. */
export const generated: Shape[] = [
  again("the time in seconds", configMap("seconds", "at: {{ now | unixEpoch | quote }}")),
  again("the day", configMap("day", 'on: {{ now | date "2006-01-02" | quote }}')),
  again(
    "the year, in a string with now in it",
    configMap("year", 'y: {{ printf "now %s" (now | date "2006") | quote }}'),
  ),
  again("a random text", configMap("random", "r: {{ randAlphaNum 10 }}")),
  again("a random number of few", configMap("few", "r: {{ randInt 0 4 | quote }}")),
  again("a random key", configMap("random-key", '"{{ randAlpha 6 }}": a, fixed: b')),
  again("a random name", configMap("named-{{ randAlphaNum 5 | lower }}", "a: b")),
  again("the time in a name", configMap('at-{{ now | date "20060102150405" }}-end', "a: b")),
  again(
    "a certificate",
    `{{ $ca := genCA "ca" 1 }}
apiVersion: v1
kind: Secret
metadata: {name: ca}
data: {cert: {{ $ca.Cert | b64enc }}}
`,
  ),
  again(
    "a workload that rolls each time",
    deployment("rolls", { template: ", annotations: {rollme: {{ randAlphaNum 5 | quote }}}" }),
  ),
  again(
    "a workload that gets a made-up variable",
    deployment("env", { container: "image: a:1, env: [{name: AT, value: {{ now | unixEpoch | quote }}}]" }),
  ),
  again("the time in values", configMap("values-time", "at: {{ tpl .Values.at . | quote }}"), {
    values: { at: "{{ now | unixEpoch }}" },
    filesBefore: { "values.yaml": "at: '{{ now | unixEpoch }}'\n" },
    files: { "values.yaml": "at: '{{ now | unixEpoch }}'\n" },
  }),
  {
    name: "a made-up value beside one that changes",
    before: join(configMap("beside", "r: {{ randAlpha 8 }}, v: old")),
    after: join(configMap("beside", "r: {{ randAlpha 8 }}, v: new")),
  },
  again("a list of random length", configMap("length", "l: {{ range until (randInt 1 9 | int) }}x{{ end }}")),
];
