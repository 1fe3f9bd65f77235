import { expect } from "chai";
import { judgeLogs } from "../../../../components/migration-gate/judge-logs";

describe("what the logs of all pods say", () => {
  it("nothing", () => expect(judgeLogs([{ pod: "a", steps: [] }])).to.deep.equal({ note: "" }));

  it("a failure, with what to do should it be none", () => {
    expect(judgeLogs([{ pod: "a", steps: [], failure: "FATAL migration failed" }])).to.deep.equal({
      problem:
        "pod a is ready, but its log says that the migration failed: FATAL migration failed; " +
        "should it say so for nothing: pulumi config set --path migrationGate.checkLogs false",
      final: true,
    });
  });

  it("a Job that completed although its migration failed", () => {
    const failed = { pod: "a", job: "ns/migrate", steps: [], failure: "FATAL migration failed" };
    expect(judgeLogs([failed]))
      .to.have.property("problem")
      .that.contains("Job ns/migrate completed, but the log of its pod a says that the migration failed: FATAL");
  });

  it("logs that could not be read are said, once a pod", () => {
    const unread = { pod: "a", unread: "pods is forbidden" };
    expect(judgeLogs([unread, unread, { pod: "b", steps: [] }])).to.deep.equal({
      note: "logs that were not looked at, of pod a (pods is forbidden)",
    });
  });

  it("a pod whose log was not read did not migrate for another", () => {
    const locked = { pod: "a", steps: [], failure: "Can't take lock to run migrations" };
    expect(judgeLogs([locked, { pod: "b", unread: "gone" }])).to.have.property("problem");
    expect(judgeLogs([locked, { pod: "b", steps: [] }])).to.have.property("note");
  });
});
