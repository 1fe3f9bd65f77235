import { expect } from "chai";
import { notSampled, sample } from "../../../kubernetes/sample";

describe("a sample of workloads", () => {
  const workload = (namespace: string, name: string, kind = "Deployment") => ({ kind, namespace, name });
  const many = [
    workload("a", "1"),
    workload("a", "2"),
    workload("a", "3"),
    workload("a", "4", "StatefulSet"),
    workload("b", "5"),
    workload("b", "6"),
  ];

  it("has one of each kind in each namespace first, then a second one, in their order", () => {
    expect(sample(many, 4).map(({ name }) => name)).to.deep.equal(["1", "4", "5", "2"]);
  });

  it("is all where there are few, and nothing is said then", () => {
    expect(sample(many, 9)).to.have.length(6);
    expect(notSampled(6, 6)).to.deep.equal([]);
  });

  it("says how many were left out", () => {
    expect(notSampled(6, 4)[0]).to.contain("for 4 of 6 workloads").and.contain("the other 2 were not tried");
  });
});
