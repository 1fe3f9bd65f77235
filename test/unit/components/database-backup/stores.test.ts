import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect } from "chai";
import { findBackup } from "../../../../components/database-backup/cluster/find";
import { openStore } from "../../../../components/database-backup/cluster/open-store";
import { type BackupManifest } from "../../../../components/database-backup/manifest";
import { behavesAsStore, manifest, refusal, RUNS } from "../../../fixtures/backup-store";

describe("backups in a folder", () => {
  const root = mkdtempSync(join(tmpdir(), "casa-store-"));
  const folder = join(root, "deep", "er");
  after(() => rmSync(root, { recursive: true }));
  const open = () => openStore({ kind: "folder", path: folder }, "prod");

  behavesAsStore(open);

  it("are for their owner only, and clean-up takes left-overs and nothing else", async () => {
    const at = join(folder, "prod");
    expect(statSync(at).mode & 0o777).to.equal(0o700);
    const before = readdirSync(at);
    expect(before.map((file) => statSync(join(at, file)).mode & 0o777)).to.satisfy((modes: number[]) =>
      modes.every((mode) => mode === 0o600),
    );
    const mine = ["mine.dump", "auth.json", "auth-mine.dump.partial", "keycloak-20260105T000000Z-000005.dump.partial"];
    for (const file of [...mine, "auth-20260105T000000Z-000005.dump.partial"]) writeFileSync(join(at, file), "x");
    await open().cleanUp(["auth"]);
    expect(readdirSync(at).sort()).to.deep.equal([...before, ...mine].sort());
    expect(await open().list()).to.have.length(3);
  });

  it("are refused where there is not a folder, with the reason", async () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    symlinkSync(join(root, "nowhere"), join(root, "dangling"));
    for (const path of [file, join(file, "below"), join(root, "dangling")]) {
      const store = openStore({ kind: "folder", path }, "prod");
      expect(await refusal(store.check()), path).to.contain("Fix: choose a folder");
    }
    mkdirSync(join(root, "there"));
    await openStore({ kind: "folder", path: join(root, "there", "not", "yet") }, "prod").check();
    expect(readdirSync(join(root, "there"))).to.deep.equal([]);
  });
});

describe("a backup to restore", () => {
  const root = mkdtempSync(join(tmpdir(), "casa-find-"));
  after(() => rmSync(root, { recursive: true }));
  const store = openStore({ kind: "folder", path: root }, "prod");
  const owner = { stack: "prod", cluster: "c", name: "auth", release: { name: "casa", namespace: "casa-runtime" } };
  const content = Buffer.from("dump");
  const make = async (one: BackupManifest) => {
    await store.write(one.file, Readable.from([content]));
    await store.finish(one);
    return store.locate(one.file);
  };

  it("is the latest of this database, stack and cluster; one that is named may be of another cluster, or elsewhere", async () => {
    expect(await refusal(findBackup(store, owner, "latest"))).to.contain("--from FILE");
    await make(manifest("auth", RUNS[0] ?? "", content));
    const second = await make(manifest("auth", RUNS[1] ?? "", content));
    const other = await make({ ...manifest("auth", RUNS[2] ?? "", content), cluster: "lost" });
    expect((await findBackup(store, owner, "latest")).location).to.equal(second);
    expect((await findBackup(store, owner, other)).manifest.cluster).to.equal("lost");
    const moved = join(root, "moved.dump");
    cpSync(other, moved);
    expect(await refusal(findBackup(store, owner, moved))).to.contain("no manifest is beside it");
    cpSync(other.replace(".dump", ".json"), join(root, "moved.json"));
    const found = await findBackup(store, owner, moved);
    expect(found.location).to.equal(moved);
    expect((await (await found.read()).toArray()).toString()).to.equal("dump");
  });

  it("is refused when it is of another database, with those there are", async () => {
    const keycloak = await make(manifest("keycloak", RUNS[3] ?? "", content));
    const why = await refusal(findBackup(store, owner, keycloak));
    expect(why).to.contain("of database keycloak, not of auth").and.to.contain(`auth-${RUNS[1]}.dump`);
  });
});
