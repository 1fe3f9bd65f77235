import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import execa from "execa";
import { openStore } from "../../../../components/database-backup/cluster/open-store";
import type { ClaimAccess } from "../../../../components/database-backup/cluster/pvc-store";
import type { BackupStore } from "../../../../components/database-backup/cluster/store";
import type { ClusterWriter } from "../../../../kubernetes/connect";
import { volumeDir } from "../../../../sandbox/cluster/kwok";
import { runSql } from "../../../../sandbox/postgres";
import { behavesAsStore, contentOf, manifest, refusal, RUNS } from "../../../fixtures/backup-store";
import { ClusterFixture } from "../../world/cluster-fixture";
import { mustSucceed, RELEASE_NAMESPACE, World } from "../../world/world";

/** Their dump is some megabytes, for there is nothing in random text to compress. */
const ROWS = 100_000;
const IMAGE = "docker.io/library/busybox:1.37.0";
const STRANGE = `a'b"$(touch\${IFS}pwned);\`touch\${IFS}pwned\``;

function claim(name: string, namespace: string, more: object = {}) {
  const spec = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } }, ...more };
  return { apiVersion: "v1", kind: "PersistentVolumeClaim", metadata: { name, namespace }, spec };
}

/** Runs something while the volume is a disk of one megabyte; undefined when mounting is not allowed. */
async function onSmallDisk<T>(folder: string, during: () => Promise<T>): Promise<T | undefined> {
  const mount = await execa("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], { reject: false });
  if (mount.failed) return undefined;
  return during().finally(() => execa("umount", ["--lazy", folder]));
}

describe("backups in a PersistentVolumeClaim", function () {
  this.timeout(120_000);
  let fixture: ClusterFixture;
  let volume: string;
  const stores: BackupStore[] = [];

  before(async () => {
    fixture = await ClusterFixture.start();
    volume = volumeDir(fixture.cluster.dir);
    await fixture.kubectl("create", "namespace", "db");
    await fixture.kubectl("label", "namespace", "db", "pod-security.kubernetes.io/enforce=restricted");
    await fixture.apply(claim("backups", "db"), claim("elsewhere", "db", { storageClassName: "", volumeName: "far" }));
    await fixture.apply(FAR_VOLUME, claim("raw", "db", { volumeMode: "Block" }));
  });
  after(async () => {
    await Promise.all(stores.map((store) => store.close()));
    await fixture?.stop();
  });

  interface At {
    claim?: string;
    folder?: string;
    client?: ClusterWriter;
  }
  function open({ claim = "backups", folder = "deep/er", client }: At = {}, access: Partial<ClaimAccess> = {}) {
    const to = { kind: "pvc" as const, namespace: "db", claim, folder, image: IMAGE };
    const purpose = "backup" as const;
    const given = { client: client ?? fixture.client, release: "casa", timeoutSeconds: 60, purpose, ...access };
    const store = openStore(to, "prod", given);
    stores.push(store);
    return store;
  }
  const pods = async () => (await fixture.kubectl("get", "pods", "-n", "db", "-o", "name")).split("\n").filter(Boolean);
  const files = (folder = "deep/er") => {
    const at = join(volume, folder, "prod");
    return existsSync(at) ? readdirSync(at).sort() : [];
  };

  describe("as other stores", () => {
    let store: BackupStore;
    before(async () => {
      store = open();
      await store.cleanUp([]);
    });
    after(async () => store.close());
    behavesAsStore(() => store);

    it("are for their owner only; clean-up takes left-overs and nothing else", async () => {
      const at = join(volume, "deep/er/prod");
      expect(statSync(at).mode & 0o777).to.equal(0o700);
      const before = files();
      expect(before.map((file) => statSync(join(at, file)).mode & 0o777)).to.satisfy((modes: number[]) =>
        modes.every((mode) => mode === 0o600),
      );
      const mine = [
        "mine.dump",
        "auth.json",
        "auth-mine.dump.partial",
        "keycloak-20260105T000000Z-000005.dump.partial",
      ];
      for (const file of [...mine, "auth-20260105T000000Z-000005.dump.partial"]) writeFileSync(join(at, file), "x");
      await store.cleanUp(["auth"]);
      expect(files()).to.deep.equal([...before, ...mine].sort());
      expect(await store.list()).to.have.length(3);
      for (const file of mine) rmSync(join(at, file));
    });
  });

  describe("beyond that", () => {
    it("the newest one is known without a pod, and the pod is gone at the end", async () => {
      expect(await pods()).to.deep.equal([]);
      expect(await open().newestRun()).to.equal(RUNS[3]);
      expect(await open({}, { release: "another" }).newestRun()).to.equal(undefined);
      expect(await pods()).to.deep.equal([]);
    });

    it("large ones arrive and come back byte by byte, several at once", async () => {
      const store = open();
      const content = randomBytes(20_000_000);
      const names = [1, 2, 3].map((i) => `large${i}-${RUNS[0]}.dump`);
      const parts = () =>
        Readable.from([content.subarray(0, 7), content.subarray(7, 9_999_999), content.subarray(9_999_999)]);
      await Promise.all(names.map((name) => store.write(name, parts())));
      const back = await Promise.all(names.map((name) => contentOf(store, name, true)));
      expect(back.every((one) => one.equals(content))).to.equal(true);
      expect(await pods()).to.have.length(1);
      await Promise.all(names.map((name) => store.discard(name)));
      await store.close();
      expect(await pods()).to.deep.equal([]);
    });

    it("names are names, whatever is in them", async () => {
      const store = open({ folder: STRANGE });
      await store.cleanUp(["auth"]);
      const one = { ...manifest("auth", RUNS[0] ?? "", Buffer.from("x")), file: "-rf $(touch pwned);'.dump" };
      await store.write(one.file, Readable.from([Buffer.from("x")]));
      await store.finish(one);
      expect((await store.list()).map(({ file }) => file)).to.deep.equal([one.file]);
      expect(files(STRANGE)).to.deep.equal([one.file, one.file.replace(".dump", ".json")]);
      await store.remove(one);
      expect(files(STRANGE)).to.deep.equal([]);
      expect(readdirSync(volume).sort()).to.deep.equal([STRANGE, "deep"].sort());
      await store.close();
    });

    it("a full disk is one error, and leaves nothing; so does a manifest that does not fit", async function () {
      const store = open({ folder: "small" });
      await store.cleanUp(["auth"]);
      const done = await onSmallDisk(volume, async () => {
        await store.cleanUp(["auth"]);
        const big = () => Readable.from(Array.from({ length: 80 }, () => randomBytes(100_000)));
        const why = await refusal(store.write("auth.dump", big()));
        expect(why).to.match(
          /^the backup destination pvc:\/\/backups\/small .* cannot be written to: the disk is full\n/,
        );
        expect(why).to.contain("Fix: make room on the claim");
        expect(files("small")).to.deep.equal([]);
        const one = manifest("auth", RUNS[0] ?? "", Buffer.from("x"));
        await store.write(one.file, Readable.from([randomBytes(900_000)]));
        const fill = await execa("dd", ["if=/dev/zero", `of=${join(volume, "rest")}`, "bs=1k"], { reject: false });
        expect(fill.failed).to.equal(true);
        expect(await refusal(store.finish(one))).to.contain("the disk is full");
        expect(files("small")).to.deep.equal([`${one.file}.partial`]);
        expect(await store.list()).to.deep.equal([]);
        return true;
      });
      await store.close();
      if (!done) this.skip(); // needs root
    });

    it("a pod that is taken away in the middle is an error, also while reading", async () => {
      const store = open();
      const content = randomBytes(50_000_000);
      const file = `taken-${RUNS[0]}.dump`;
      await store.write(file, Readable.from([content]));
      const [pod = ""] = await pods();
      const stream = await store.read(file, true);
      const [first] = (await stream.take(1).toArray()) as Buffer[];
      expect(first?.length).to.be.lessThan(content.length);
      await fixture.kubectl("delete", pod, "-n", "db", "--wait");
      expect(await refusal(contentOf(store, file, true))).to.contain("cannot be read");
      expect(await refusal(store.write(`again-${RUNS[0]}.dump`, Readable.from([content])))).to.contain(
        "its helper pod is gone",
      );
      await store.close();
      await store.discard(file);
      await store.close();
    });

    it("a pod that a killed run left is removed by the next backup, that of a restore when it has ended", async () => {
      await open().list();
      await open({}, { purpose: "restore" }).list();
      const left = await pods();
      expect(left).to.have.length(2);
      const next = open();
      await next.cleanUp([]);
      const now = await pods();
      expect(now.filter((pod) => left.includes(pod)))
        .to.have.length(1)
        .and.to.match(/restore/);
      const [restore = ""] = now.filter((pod) => left.includes(pod));
      const failed = JSON.stringify({ status: { phase: "Failed", reason: "DeadlineExceeded" } });
      await fixture.kubectl("patch", restore, "-n", "db", "--subresource=status", "--type=merge", "-p", failed);
      await next.cleanUp([]);
      expect(await pods()).not.to.include(restore);
      await Promise.all(stores.map((store) => store.close()));
      expect(await pods()).to.deep.equal([]);
    });
  });

  describe("pre-flight refuses, and changes nothing", () => {
    let before: string;
    const state = () => fixture.kubectl("get", "pods,pvc,configmaps,events", "-A", "-o", "name");
    beforeEach(async () => (before = await state()));
    afterEach(async () => expect(await state()).to.equal(before));

    it("nothing that works", async () => {
      await open().check();
    });

    it("a claim that does not exist, with those that do", async () => {
      const why = await refusal(open({ claim: "backup" }).check());
      expect(why).to.contain("PersistentVolumeClaim db/backup, the backup destination, does not exist");
      expect(why)
        .to.contain("it has: backups, elsewhere, raw")
        .and.to.contain("backup.destination pvc://<claim>/<folder>");
    });

    it("a claim that is a block device", async () => {
      expect(await refusal(open({ claim: "raw" }).check())).to.contain("is a block device");
    });

    it("missing permissions, by name", async () => {
      const client = await fixture.clientOf("reader", "view");
      const why = await refusal(open({ client }).check());
      expect(why)
        .to.contain("get, create pods/exec in namespace db")
        .and.to.contain("create, delete pods in namespace db");
      before = await state();
    });
  });

  describe("the pod", () => {
    it("a pod that a quota does not allow is refused before anything is done", async () => {
      await fixture.kubectl("create", "quota", "none", "-n", "db", "--hard=pods=0");
      await sleep(500); // until the quota is counted
      try {
        const why = await refusal(open().check());
        expect(why).to.contain("may not be created").and.to.contain("exceeded quota").and.to.contain("Fix: ");
      } finally {
        await fixture.kubectl("delete", "quota", "none", "-n", "db");
      }
    });

    it("a volume that is on another node is an error after the limit, and no pod is left", async () => {
      const store = open({ claim: "elsewhere" }, { startSeconds: 3 });
      await store.check();
      const why = await refusal(store.cleanUp(["auth"]));
      expect(why)
        .to.contain("does not start")
        .and.to.match(/not scheduled: .*node/)
        .and.to.contain("ReadWriteOnce");
      await store.close();
      expect(await pods()).to.deep.equal([]);
    });
  });
});

const FAR_VOLUME = {
  apiVersion: "v1",
  kind: "PersistentVolume",
  metadata: { name: "far" },
  spec: {
    capacity: { storage: "1Gi" },
    accessModes: ["ReadWriteOnce"],
    persistentVolumeReclaimPolicy: "Retain",
    local: { path: "/far" },
    claimRef: { namespace: "db", name: "elsewhere" },
    nodeAffinity: {
      required: {
        nodeSelectorTerms: [
          { matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: ["far-away"] }] },
        ],
      },
    },
  },
};

describe("an upgrade with backups in a PersistentVolumeClaim", function () {
  this.timeout(300_000);
  let world: World;
  let volume: string;

  before(async () => {
    world = await World.open({ postgres: true });
    volume = volumeDir(world.cluster.dir);
    await world.helmInstall("0.1.0");
    await world.kubectl(["apply", "-f", "-"], JSON.stringify(claim("casa-backups", RELEASE_NAMESPACE)));
    await world.useVersion("0.2.0", {
      restarts: { enabled: false },
      backup: { destination: "pvc://casa-backups/runtime" },
    });
    await sql(`CREATE TABLE tokens AS SELECT i AS id, md5(i::text) AS note FROM generate_series(1, ${ROWS}) i;`);
  });
  after(async () => world?.close());

  const sql = (text: string) => runSql(world.cluster.postgresEnv ?? {}, text, "auth");
  const helpers = () =>
    world.kubectl(["get", "pods", "-A", "-l", "app.kubernetes.io/managed-by=casa-upgrade", "-o", "name"]);
  const files = () => {
    const at = join(volume, "runtime", world.stack);
    return existsSync(at) ? readdirSync(at).sort() : [];
  };

  it("a wrong claim is refused at preview, a preview changes nothing, and a full disk stops the upgrade", async () => {
    await world.config({ backup: { destination: "pvc://casa-backup/runtime" } });
    const wrong = await world.preview();
    expect(wrong.ok).to.equal(false);
    expect(wrong.text).to.contain("does not exist").and.to.contain("casa-backups");
    await world.config({ backup: { destination: "pvc://casa-backups/runtime" } });
    const before = await world.fingerprint();
    const preview = mustSucceed(await world.preview());
    expect(preview.text).to.contain("to pvc://casa-backups/runtime, each verified");
    expect(await world.fingerprint()).to.deep.equal(before);
    await onSmallDisk(volume, async () => {
      const run = await world.up();
      expect(run.ok).to.equal(false);
      expect(run.text, run.text)
        .to.contain("no verified backup, so nothing was upgraded")
        .and.to.contain("the disk is full");
      expect(await world.fingerprint()).to.deep.equal(before);
    });
    expect(await helpers()).to.equal("");
    expect(files()).to.deep.equal([]);
  });

  it("backs up before anything changes, once, and leaves no pod", async () => {
    mustSucceed(await world.up());
    const { backups } = (await world.outputs()) as { backups: { name: string; location: string; rows: number }[] };
    expect(backups.map(({ name, rows }) => [name, rows])).to.deep.equal([
      ["auth", ROWS],
      ["keycloak", 0],
    ]);
    expect(backups[0]?.location).to.match(/^pvc:\/\/casa-backups\/runtime\/test\/auth-\d{8}T.*\.dump$/);
    expect(files()).to.have.length(4);
    expect(await helpers()).to.equal("");
    mustSucceed(await world.up(["--expect-no-changes"]));
    expect(files()).to.have.length(4);
  });

  it("restores from it, and not what is damaged", async () => {
    await sql("DELETE FROM tokens WHERE id % 2 = 0;");
    const run = await world.cli("restore", "--database", "auth", "--yes");
    expect(run.code, run.text).to.equal(0);
    expect((await sql("SELECT count(*) FROM tokens;")).trim()).to.equal(`${ROWS}`);
    const file = join(volume, "runtime", world.stack, files().find((name) => /^auth-.*\.dump$/.test(name)) ?? "");
    const content = readFileSync(file);
    writeFileSync(file, content.subarray(0, content.length - 1000));
    const damaged = await world.cli("restore", "--database", "auth", "--yes");
    expect(damaged.code, damaged.text).to.equal(1);
    expect(damaged.text).to.contain("Fix: ");
    expect((await sql("SELECT count(*) FROM tokens;")).trim()).to.equal(`${ROWS}`);
    expect(await helpers()).to.equal("");
  });
});
