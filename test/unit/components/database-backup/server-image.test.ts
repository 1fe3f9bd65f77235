import { expect } from "chai";
import {
  defaultDataDirectory,
  imageMajor,
  majorOf,
  repositoryOf,
} from "../../../../components/database-backup/server-image";

describe("the PostgreSQL of an image", () => {
  const majors: [image: string, major: string | undefined][] = [
    ["postgres:15.8", "15"],
    ["postgres:15", "15"],
    ["postgres:17-alpine3.20", "17"],
    ["postgres:9.6.24", "9.6"],
    ["registry.example:5000/library/postgres:15.8-bookworm", "15"],
    ["postgres:15.8@sha256:abc", "15"],
    ["postgres@sha256:abc", undefined],
    ["postgres:latest", undefined],
    ["postgres:bookworm", undefined],
    ["postgres:alpine", undefined],
    ["postgres", undefined],
    ["docker.io/bitnami/postgresql:15.4.0-debian-11-r45", "15"],
    ["bitnamilegacy/postgresql:17.2.0-debian-12-r3", "17"],
    ["postgis/postgis:15-3.4", "15"],
    ["timescale/timescaledb:2.14.2-pg15", "15"],
    ["timescale/timescaledb:2.14.2", undefined],
    ["timescale/timescaledb-ha:pg15.6-ts2.14.2", "15"],
    ["pgvector/pgvector:pg16", "16"],
    ["pgvector/pgvector:0.7.0-pg16", "16"],
    ["pgvector/pgvector:0.7.0", undefined],
    ["registry.redhat.io/rhel9/postgresql-15:1-66", "15"],
    ["quay.io/sclorg/postgresql-13-c9s:latest", "13"],
    ["ghcr.io/zalando/spilo-16:3.3-p1", "16"],
    ["crunchydata/crunchy-postgres:ubi8-15.4-0", "15"],
    ["ghcr.io/cloudnative-pg/postgresql:16.2", "16"],
    ["citusdata/citus:13.0", undefined],
    ["citusdata/citus:12.1.5-pg16", "16"],
    ["paradedb/paradedb:0.15.1-pg17", "17"],
    ["paradedb/paradedb:15.1", undefined],
    ["groonga/pgroonga:4.0.1-debian-17", "17"],
    ["groonga/pgroonga:latest-alpine-16-slim", "16"],
    ["timescale/timescaledb:2.19.0-pg17", "17"],
    ["postgis/postgis:17-3.5", "17"],
    ["quay.io/sclorg/postgresql-16-c9s:latest", "16"],
    ["pgautoupgrade/pgautoupgrade:17-alpine", "17"],
    ["supabase/postgres:17.4.1.43", "17"],
    ["ghcr.io/zalando/spilo-17:4.0-p2", "17"],
    ["registry.example/acid/spilo-cdp-14:2.1", "14"],
    ["casa/postgres:2024.1.1", undefined],
    ["casa/postgres:1.4.0", undefined],
    ["casa/postgres:4f3a2b1c", undefined],
    ["casa/postgres:15a3b1c9", undefined],
  ];
  for (const [image, major] of majors) {
    it(`${image} is ${major ?? "not told"}`, () => expect(imageMajor(image)).to.equal(major));
  }

  it("of a version: from 10 on the first number, before that the first two", () => {
    expect(["15.18 (Debian 15.18-0+deb12u1)", "9.6.24", "17beta1", "15", "", undefined].map(majorOf)).to.deep.equal([
      "15",
      "9.6",
      "17",
      "15",
      undefined,
      undefined,
    ]);
  });

  it("keeps its data where its image says", () => {
    expect(defaultDataDirectory("postgres:17.2")).to.equal("/var/lib/postgresql/data");
    expect(defaultDataDirectory("postgres:18.1")).to.equal("/var/lib/postgresql/18/docker");
    expect(defaultDataDirectory("bitnami/postgresql:15.4.0")).to.equal("/bitnami/postgresql/data");
    expect(defaultDataDirectory("mirror.example/postgresql:15.4.0-debian-11-r45")).to.equal("/bitnami/postgresql/data");
    expect(defaultDataDirectory("rhel9/postgresql-15:1")).to.equal("/var/lib/pgsql/data/userdata");
  });

  it("a repository is the image without tag and digest", () => {
    expect(repositoryOf("r.example:5000/a/postgres:15.8@sha256:abc")).to.equal("r.example:5000/a/postgres");
    expect(repositoryOf("r.example:5000/a/postgres")).to.equal("r.example:5000/a/postgres");
  });
});
