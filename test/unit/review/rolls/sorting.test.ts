import { expect } from "chai";
import { replacedWorkloads } from "../../../../review/rolls/rolls";
import { sortedByOthers } from "../../../../review/rolls/sorting";
import { pair, plan, workload } from "./rolls-world";

function told(before: string, after: string): string[] {
  const server = (image: string) => workload("Deployment", { container: { image } });
  const pairs = [pair(server(before), server(after))];
  return sortedByOthers(pairs, "casa", replacedWorkloads(plan(pairs).rolls));
}

describe("a PostgreSQL server on another system", () => {
  for (const [before, after, text] of [
    ["postgres:17-bookworm", "postgres:17-alpine", "from Debian bookworm (postgres:17-bookworm) to Alpine"],
    ["postgres:16.4", "postgres:16.4-alpine3.20", "from Debian (postgres:16.4) to Alpine"],
    [
      "postgres:17.5-bookworm",
      "postgres:17.6-trixie",
      "from Debian bookworm (postgres:17.5-bookworm) to Debian trixie",
    ],
    [
      "docker.io/bitnami/postgresql:16.4.0-debian-11-r3",
      "docker.io/bitnami/postgresql:16.6.0-debian-12-r1",
      "debian 11",
    ],
  ] as const) {
    it(`is told: ${before} to ${after}`, () => {
      const [one = "", ...others] = told(before, after);
      expect(others).to.deep.equal([]);
      expect(one).to.contain(text).and.contain("Deployment/casa/web").and.contain("indexes on texts");
    });
  }

  for (const [before, after] of [
    ["postgres:16.4", "postgres:16.6"],
    ["postgres:16-alpine3.19", "postgres:16-alpine3.20"],
    // The official tag without a system may be on this one.
    ["postgres:17", "postgres:17-trixie"],
    ["registry.example/pg:a", "registry.example/pg:b-alpine"],
    ["keycloak:24-alpine", "keycloak:25-bookworm"],
  ] as const) {
    it(`is not told: ${before} to ${after}`, () => expect(told(before, after)).to.deep.equal([]));
  }
});
