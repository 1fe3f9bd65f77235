import { expect } from "chai";
import { ApiError, UnreachableError } from "../../../kubernetes/api";
import type { ClusterClient } from "../../../kubernetes/connect";
import { tryPod } from "../../../kubernetes/try-pod";

const WORKLOAD = { kind: "Deployment", namespace: "mas", name: "a", template: {}, claimTemplates: [] };

function clusterThat(throws: Error, readOnly = false): ClusterClient {
  return { readOnly, api: { dryRun: () => Promise.reject(throws) } } as unknown as ClusterClient;
}

describe("a pod that is tried", () => {
  // The words are those of an API server 1.34.
  for (const [what, error, problem, message] of [
    [
      "a quota; the generated name of the pod is left out",
      new ApiError(403, "Forbidden", 'pods "a-x7f2" is forbidden: exceeded quota: q'),
      "refused",
      "exceeded quota: q",
    ],
    [
      "a webhook that says no, in lines",
      new ApiError(400, "", 'admission webhook "v.example" denied the request:\n  no root  in pod "a-x7f2"'),
      "refused",
      'admission webhook "v.example" denied the request: no root in the pod',
    ],
    [
      "a webhook that does not answer",
      new ApiError(500, "InternalError", 'failed calling webhook "i.example": connection refused'),
      "down",
      'failed calling webhook "i.example": connection refused',
    ],
    [
      "a webhook that cannot do dry-runs",
      new ApiError(400, "BadRequest", 'admission webhook "w.example" does not support dry run'),
      "not-asked",
      'admission webhook "w.example" does not support dry run',
    ],
    [
      "a user who may not",
      new ApiError(403, "Forbidden", 'pods is forbidden: User "u" cannot create resource "pods" in API group ""'),
      "not-asked",
      'pods is forbidden: User "u" cannot create resource "pods" in API group ""',
    ],
    ["a server that is busy", new ApiError(429, "TooManyRequests", "later"), "not-asked", "later"],
    ["no server", new UnreachableError("no answer within 10 s"), "not-asked", "no answer within 10 s"],
  ] as const) {
    it(what, async () => expect(await tryPod(clusterThat(error), WORKLOAD)).to.deep.equal({ problem, message }));
  }

  it("is not sent for who may only read", async () => {
    const answer = await tryPod(clusterThat(new Error("was asked"), true), WORKLOAD);
    expect(answer).to.include({ problem: "not-asked" });
  });

  it("what is no answer of an API server is thrown as it is", async () => {
    const error = await tryPod(clusterThat(new TypeError("a fault of ours")), WORKLOAD).catch(String);
    expect(error).to.contain("a fault of ours");
  });
});
