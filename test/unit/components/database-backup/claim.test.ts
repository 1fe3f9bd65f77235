import { expect } from "chai";
import { claimProblem, claimSchema, explainClaimFailure } from "../../../../components/database-backup/claim";
import {
  FILE_OWNER,
  helperPod,
  helperState,
  OWNER_LABEL,
  ownerHash,
} from "../../../../components/database-backup/helper-pod-spec";
import { listed } from "../../../../components/database-backup/cluster/pvc-scripts";
import { claimPermissions } from "../../../../components/database-backup/cluster/claim-check";

const TO = { kind: "pvc" as const, namespace: "ns", claim: "backups", folder: "a", image: "busybox:1" };
const OWNER = { stack: "prod", release: "casa", purpose: "backup" as const };

describe("backups in a claim: decisions", () => {
  const claim = (over: { spec?: object; status?: object; metadata?: object } = {}) =>
    claimSchema.parse({
      metadata: { name: "backups", ...over.metadata },
      spec: { accessModes: ["ReadWriteOnce"], ...over.spec },
      status: { phase: "Bound", ...over.status },
    });

  it("a claim that is bound, or waits for its first pod, will do; others are refused with the fix", () => {
    expect(claimProblem(TO, claim(), [])).to.equal(undefined);
    expect(claimProblem(TO, claim({ status: { phase: "Pending" } }), [])).to.equal(undefined);
    expect(claimProblem(TO, claim({ spec: { accessModes: ["ReadOnlyMany", "ReadWriteMany"] } }), [])).to.equal(
      undefined,
    );
    const refused: [string, Parameters<typeof claim>[0]][] = [
      ["being deleted", { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } }],
      ["Lost", { status: { phase: "Lost" } }],
      ["Block", { spec: { volumeMode: "Block" } }],
      ["for reading only", { spec: { accessModes: ["ReadOnlyMany"] } }],
    ];
    for (const [why, over] of refused) {
      const found = claimProblem(TO, claim(over), []);
      expect(found?.problem).to.contain("ns/backups").and.to.contain(why);
      expect(found?.fix).to.contain("backup.destination pvc://<claim>/<folder>");
    }
  });

  it("of a claim that is missing, those there are", () => {
    expect(claimProblem(TO, undefined, [])?.problem).to.contain("it has none");
    expect(claimProblem(TO, undefined, ["b", "a"])?.problem).to.contain("it has: a, b)");
    const many = Array.from({ length: 30 }, (_, i) => `c${10 + i}`);
    expect(claimProblem(TO, undefined, many)?.problem).to.contain("c19 and 20 more");
  });

  it("a command that failed: the cause a person would name", () => {
    const why = (said: string) => explainClaimFailure(TO, said).why;
    expect(why("cat: write error: No space left on device")).to.equal("the disk is full");
    expect(why("cat: x: Disk quota exceeded")).to.equal("the disk is full");
    expect(why('pods "x" is forbidden: User "u" cannot create resource "pods/exec"')).to.contain("not allowed");
    expect(why("mkdir: can't create directory './a/': Permission denied")).to.contain("may not write");
    expect(why("sh: sha256sum: not found")).to.contain("missing in image busybox:1");
    expect(why('pods "casa-upgrade-backup-x" not found')).to.contain("helper pod is gone");
    expect(why("something else")).to.equal("something else");
  });

  it("the pod is one that the strictest Pod Security Standard takes, ends by itself, and is known as ours", () => {
    const { metadata, spec } = helperPod(TO, OWNER, 700);
    expect(metadata.labels).to.include({ [OWNER_LABEL]: ownerHash(OWNER), "sidecar.istio.io/inject": "false" });
    expect(spec).to.deep.include({
      activeDeadlineSeconds: 700,
      restartPolicy: "Never",
      automountServiceAccountToken: false,
    });
    expect(spec.securityContext).to.include({ runAsNonRoot: true, runAsUser: FILE_OWNER, fsGroup: FILE_OWNER });
    expect(spec.containers[0]?.securityContext).to.deep.include({
      ...{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ["ALL"] } },
    });
    expect(spec.containers[0]).to.include({ image: "busybox:1", workingDir: "/backup" });
    const others = [
      { ...OWNER, stack: "test" },
      { ...OWNER, release: "b" },
      { ...OWNER, purpose: "restore" as const },
    ];
    expect(new Set([OWNER, ...others].map(ownerHash)).size).to.equal(4);
    expect(ownerHash({ ...OWNER, stack: "x".repeat(200) })).to.match(/^[a-z0-9-]{1,63}$/);
  });

  it("the pod can be used, may be later, or never will be", () => {
    const conditions = [{ type: "Ready", status: "True" }];
    const waiting = (reason: string) => ({ phase: "Pending", containerStatuses: [{ state: { waiting: { reason } } }] });
    expect(helperState({ phase: "Running", conditions })).to.equal("ready");
    expect(helperState({ phase: "Pending" })).to.equal("waiting");
    expect(helperState(waiting("ImagePullBackOff"))).to.equal("waiting");
    expect(helperState(waiting("CreateContainerConfigError"))).to.equal("hopeless");
    expect(helperState({ phase: "Failed", conditions })).to.equal("hopeless");
  });

  it("a list that breaks off is none", () => {
    expect(listed("\nM file\n{}\n\n\nM file\n[]\n\nM end\n", "M")).to.deep.equal(["{}\n\n", "[]\n"]);
    expect(listed("\nM end\n", "M")).to.deep.equal([]);
    for (const broken of ["", "\nM file\n{}\n", "\nM file\n{}\nend\n"]) expect(listed(broken, "M")).to.equal(undefined);
  });

  it("exec is asked for with both verbs that kubectl may use", () => {
    const exec = claimPermissions("ns").filter(({ subresource }) => subresource === "exec");
    expect(exec.map(({ verb }) => verb)).to.deep.equal(["get", "create"]);
  });
});
