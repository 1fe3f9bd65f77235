import { formatMessage } from "../../../history/recorded-texts";
import { UserError } from "../../../shared/user-error";
import { expect } from "chai";
import { acknowledgements } from "../../../history/acknowledge";
import { newConfig, stackFile } from "../../../history/config-file";
import { failedOnTop } from "../../../history/failed";
import { lossesOf } from "../../../history/losses";
import { manualChange, manualRevisions } from "../../../history/manual";
import { historyRows, historyTable } from "../../../history/table";
import { targetOf, whatRuns } from "../../../history/target";
import { chartVersionOf, parseHistory, type RecordedValue } from "../../../history/updates";

const value = (text: string, secret = false) => ({ value: text, secret });
const entry = (version: string, more: object = {}) => ({
  kind: "update",
  version: 0,
  startTime: "2026-11-23T10:00:00.000Z",
  endTime: "2026-11-23T10:01:00.000Z",
  message: `to ${version}`,
  environment: { "git.committer": "Ann", "git.head": "abc" },
  config: {
    "casa-upgrade:chart": value("oci://x/y"),
    "casa-upgrade:version": value(version),
    "casa-upgrade:context": value("c"),
  },
  result: "succeeded",
  ...more,
});
/** Given oldest first, as one tells a story. */
const history = (...entries: object[]) => parseHistory([...entries].reverse(), "casa-upgrade");
const revision = (number: number, chartVersion: string, description: string, deployedAt = "2026-11-23T10:00:30Z") => {
  return { revision: number, status: "deployed", chartVersion, description, deployedAt };
};
const DEFAULTS = { mode: "istio", values: {}, maxHistory: 10 };
const NOW = new Map<string, RecordedValue>();

describe("history of the stack", () => {
  it("counts from the oldest where the backend has no numbers, else takes the backend's", () => {
    expect(history(entry("1"), entry("2")).map(({ number }) => number)).to.deep.equal([2, 1]);
    expect(history(entry("1", { version: 7 }), entry("2", { version: 8 })).map(({ number }) => number)).to.deep.equal([
      8, 7,
    ]);
  });
  it("an update that was killed has no end, and another tool's keys keep their names", () => {
    const [one] = history(
      entry("1", { endTime: null, result: "in-progress", config: { "kubernetes:context": value("x") } }),
    );
    expect(one).to.deep.include({ end: undefined, result: "in-progress" });
    expect([...(one?.config.keys() ?? [])]).to.deep.equal(["kubernetes:context"]);
  });
  it("who: what our own commands say, else the CI run, else the commit's", () => {
    const who = (more: object) => history(entry("1", more))[0]?.who;
    expect(who({ message: formatMessage({ chart: "casa", before: "1", after: "2", user: "ann" }) })).to.equal("ann");
    expect(who({ environment: { "ci.system": "GitHub", "ci.build.id": "7" } })).to.equal("GitHub 7");
    expect(who({})).to.equal("Ann (commit)");
    expect(who({ environment: null })).to.equal("");
  });
  it("the chart version of a local chart is that of the revision made in its time", () => {
    const [one] = history(entry("", { config: { "casa-upgrade:chart": value("./chart") } }));
    if (!one) throw new Error("no update");
    const revisions = [
      revision(1, "0.1.0", "Install", "2026-11-23T09:00:00Z"),
      revision(2, "0.2.0", "x"),
      revision(3, "0.3.0", "y", "2026-11-23T11:00:00Z"),
    ];
    expect(chartVersionOf(one, revisions)).to.equal("0.2.0");
    expect(chartVersionOf(one, [])).to.equal(undefined);
  });
  it("the table lets nothing of a message reach the terminal that moves its cursor", () => {
    const rows = historyRows(history(entry("1", { message: "evil\u001b[2J\u202e text\nsecond line" })), []);
    expect(historyTable(rows))
      .to.match(/evil.+text$/)
      .and.not.match(/[\u001b\u202e]|second/);
  });

  describe("what to go back to", () => {
    const number = (
      updates: ReturnType<typeof history>,
      wanted?: number,
      present?: ReadonlyMap<string, RecordedValue>,
    ) =>
      targetOf(
        updates,
        wanted,
        present ?? updates.find(({ kind }) => kind === "update")?.config ?? NOW,
        whatRuns(DEFAULTS),
      ).number;
    it("the last good one with another configuration than the latest", () => {
      expect(number(history(entry("1"), entry("2")))).to.equal(1);
      expect(number(history(entry("1"), entry("2"), entry("2")))).to.equal(1);
      expect(number(history(entry("1"), entry("2"), entry("3", { result: "failed" })))).to.equal(2);
      expect(number(history(entry("1"), entry("2", { result: "failed" }), entry("3")))).to.equal(1);
      expect(number(history(entry("1"), entry("2"), entry("2", { kind: "refresh", config: {} })))).to.equal(1);
    });
    it("a rollback that failed goes on", () => {
      const back = entry("1", { result: "failed", message: "rollback to update 1: casa 3 -> 1, by ann" });
      expect(number(history(entry("1"), entry("2"), entry("3"), back))).to.equal(1);
      expect(number(history(entry("1"), entry("2"), entry("3"), { ...back, result: "succeeded" }))).to.equal(3);
    });
    it("an update that was killed may have left no entry: the stack's file says what was tried", () => {
      const file = new Map(
        Object.entries({ chart: "oci://x/y", version: "3" }).map(([key, text]) => [
          key,
          { value: text, secret: false },
        ]),
      );
      expect(number(history(entry("1"), entry("2")), undefined, file)).to.equal(2);
    });
    it("defaults that only the history has, and how restarts go, make no other configuration", () => {
      const more = {
        "casa-upgrade:mode": value("istio"),
        "casa-upgrade:values": { value: "{}", objectValue: {} },
        "casa-upgrade:restarts": value('{"enabled":false}'),
      };
      const same = entry("2", { config: { ...entry("2").config, ...more } });
      expect(number(history(entry("1"), entry("2"), same))).to.equal(1);
    });
    it("another cluster context is no other configuration", () => {
      const moved = entry("1", { config: { ...entry("1").config, "casa-upgrade:context": value("other") } });
      expect(() => number(history(entry("1"), moved))).to.throw(UserError, "no earlier successful update");
    });
    it("the one that is named, unless it failed or is none", () => {
      const all = history(entry("1"), entry("2", { result: "failed" }), entry("3"), entry("3", { kind: "destroy" }));
      expect(number(all, 1)).to.equal(1);
      expect(() => number(all, 2)).to.throw("update 2 is an update that failed");
      expect(() => number(all, 4)).to.throw("is a destroy");
      expect(() => number(all, 9))
        .to.throw("update 9 does not exist")
        .with.property("message")
        .that.contains("one of: 3, 1");
    });
  });

  describe("the configuration of an update", () => {
    const map = (values: Record<string, RecordedValue>) => new Map(Object.entries(values));
    const plain = (at: unknown): RecordedValue => ({ value: at, secret: false });
    it("leaves out what is a default, and what says where and how careful", () => {
      const recorded = map({
        version: plain("1"),
        mode: plain("istio"),
        maxHistory: plain("10"),
        values: plain({}),
        context: plain("old"),
        backup: plain({ keep: 9 }),
      });
      const defaults = { mode: "istio", maxHistory: 10, values: {}, context: "" };
      expect(newConfig(recorded, defaults)).to.deep.equal({ plain: { version: "1" }, secrets: [] });
    });
    it("encrypts every text of a value that was encrypted in part; the rest keeps its type", () => {
      const recorded = map({
        values: { value: { a: { password: "x", port: 5 }, list: ["y", true], empty: {} }, secret: true },
        token: { value: "t", secret: true },
      });
      expect(newConfig(recorded, {})).to.deep.equal({
        plain: { values: { a: { port: 5 }, list: ["", true], empty: {} } },
        secrets: [
          { path: ["values", "a", "password"], text: "x" },
          { path: ["values", "list", 0], text: "y" },
          { path: ["token"], text: "t" },
        ],
      });
    });
    it("keeps comments, what stays, and the encrypted text of a secret that is the same", () => {
      const text =
        "# ours\nencryptionsalt: v1:x\nconfig:\n  casa-upgrade:context: c # where\n  casa-upgrade:version: '2'\n  casa-upgrade:gone: 1\n  casa-upgrade:secretValues:\n    a:\n      secure: v1:abc\n  kubernetes:x: y\n";
      const secretValues = { value: { a: "p" }, secret: true };
      const recorded = map({ version: plain("1"), secretValues });
      const wanted = newConfig(recorded, {});
      const result = stackFile(text, "casa-upgrade", map({ version: plain("2"), secretValues }), recorded, wanted);
      expect(result.secrets).to.deep.equal([]);
      expect(result.text)
        .to.contain("# ours")
        .and.contain("c # where")
        .and.contain("secure: v1:abc")
        .and.contain("kubernetes:x: y");
      expect(result.text).to.contain('casa-upgrade:version: "1"').and.not.contain("gone");
    });
    it("a secret that differs is taken out, to be set again through the CLI", () => {
      const text = "config:\n  casa-upgrade:secretValues:\n    a:\n      secure: v1:abc\n";
      const recorded = map({ secretValues: { value: { a: "old" }, secret: true } });
      const result = stackFile(
        text,
        "casa-upgrade",
        map({ secretValues: { value: { a: "new" }, secret: true } }),
        recorded,
        newConfig(recorded, {}),
      );
      expect(result.secrets).to.deep.equal([{ path: ["secretValues", "a"], text: "old" }]);
      expect(result.text).not.to.contain("abc").and.not.contain("old");
    });
  });

  it("what it acknowledges: policies against going back, for today, and only when it goes back", () => {
    const today = new Date("2026-11-24T01:00:00Z");
    expect(acknowledgements("0.3.0", "0.1.0", 1, today)).to.deep.equal({
      "version-steps": "2026-11-24 rollback to update 1",
      "crds-compatible": "2026-11-24 rollback to update 1",
    });
    expect(acknowledgements("0.3.0", undefined, 1, today)).to.have.keys("version-steps", "crds-compatible");
    expect(acknowledgements("0.1.0", "0.3.0", 3, today)).to.deep.equal({});
    const text = "config:\n  p:acknowledge:\n    version-steps: 2026-12-01 ours\n";
    const nothing = new Map<string, RecordedValue>();
    const file = stackFile(
      text,
      "p",
      nothing,
      nothing,
      { plain: {}, secrets: [] },
      acknowledgements("2.0.0", "1.0.0", 1, today),
    );
    expect(file.text).to.contain("2026-12-01 ours").and.contain("crds-compatible: 2026-11-24");
  });

  describe("what a rollback would lose", () => {
    const customResources = {
      total: 5,
      rejected: 0,
      pruned: 2,
      unchecked: [],
      examples: [],
      prunedFields: [{ path: "spec.a", objects: 2 }],
    };
    const crd = { name: "x.casa.io", action: "update" as const, findings: [], customResources };
    const claims = [{ namespace: "n", name: "data", why: "the chart no longer renders it" }];
    const risks = [
      {
        severity: "high" as const,
        id: "contents-deleted",
        title: "contents are deleted",
        detail: "Namespace n goes with all that is in it",
        fix: "keep it",
      },
    ];
    it("fields of objects, claims, contents, and a schema that is newer, each with its fix", () => {
      const { refused } = lossesOf(
        { crds: [crd], claims, risks },
        { kind: "newer", now: "b", then: "a", backup: "auth-1.dump" },
      );
      expect(refused).to.have.length(4);
      expect(refused[0]).to.contain("2 of 5 objects of CRD x.casa.io lose fields").and.contain("spec.a (2 objects)");
      expect(refused[1]).to.contain("n/data is deleted with its data");
      expect(refused[2]).to.contain("Namespace n goes with all that is in it");
      const database = { workload: "Deployment/n/pg", problem: "lost" as const, text: "pg: is lost", fix: "a claim" };
      const server = lossesOf({ crds: [], claims: [], risks: [], databases: [database] }, { kind: "fits" });
      expect(server.refused).to.deep.equal(["pg: is lost\n      Fix: a claim"]);
      expect(refused[3]).to.contain("schema revision b; that version ran with a").and.contain("--from auth-1.dump");
      for (const text of refused) expect(text).to.contain("Fix: ");
    });
    it("nothing, when all fits; what nobody knows is said", () => {
      const fine = { ...crd, customResources: { ...customResources, pruned: 0, prunedFields: [] } };
      expect(lossesOf({ crds: [fine], claims: [], risks: [] }, { kind: "fits" })).to.deep.equal({
        refused: [],
        warnings: [],
      });
      const { refused, warnings } = lossesOf(
        { crds: [fine], claims: [], risks: [] },
        { kind: "unknown", why: "no backup" },
      );
      expect(refused).to.deep.equal([]);
      expect(warnings[0]).to.contain("is not known (no backup)");
    });
  });

  it("a failed revision on top is taken back to the last good one; one below is history", () => {
    const good = revision(2, "0.2.0", "casa-upgrade 0.2.0 rendered x");
    const failed = { ...revision(3, "0.3.0", "Upgrade failed"), status: "failed" };
    expect(failedOnTop([good, failed])).to.deep.equal({ failed, good });
    expect(failedOnTop([good, failed, revision(4, "0.2.0", "Rollback to 2")])).to.equal(undefined);
    expect(failedOnTop([failed])).to.equal(undefined);
    expect(failedOnTop([])).to.equal(undefined);
  });

  it("a release that was changed by hand: only what came after our own last revision", () => {
    const ours = [revision(1, "0.1.0", "Install complete"), revision(2, "0.2.0", "casa-upgrade 0.2.0 rendered x")];
    expect(manualChange("casa", ours)).to.equal(undefined);
    expect(manualChange("casa", ours.slice(0, 1)), "never touched by us").to.equal(undefined);
    const more = [...ours, revision(3, "0.1.0", "Rollback to 1")];
    const failed = { ...revision(3, "0.3.0", 'Upgrade "casa" failed: timed out'), status: "failed" };
    expect(manualChange("casa", [...ours, failed]), "nobody knows whose it is").to.equal(undefined);
    expect(manualRevisions(more).map((one) => one.revision)).to.deep.equal([3]);
    expect(manualChange("casa", more)).to.contain("revision 3 (0.1.0, deployed: Rollback to 1)");
  });
});
