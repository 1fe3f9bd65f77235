import { ClusterFixture } from "/work/main/test/integration/cluster-fixture";
import { migrateByApi } from "/work/main/cluster/cr-migration/storage-api";
import { versionedCrd, versionedObjects, VERSIONED } from "/work/main/test/fixtures/versioned-crd";
(async () => {
  const c = await ClusterFixture.start({ storageMigration: true });
  try {
    console.log(await c.kubectl("api-resources", "--api-group", "storagemigration.k8s.io"));
    await c.apply(versionedCrd("v1alpha1"));
    await c.kubectl("wait", "--for=condition=Established", `crd/${VERSIONED}`);
    await new Promise((r) => setTimeout(r, 2000));
    await c.apply(...versionedObjects(20, "default"));
    const t = Date.now();
    console.log(await migrateByApi(c.client, versionedCrd("v1alpha1") as never, "v1alpha1", Date.now() + 400000, console.log, { forms: ["v1alpha1"], beginMs: 360000 }), Date.now() - t);
    console.log(await c.kubectl("get", "storageversionmigrations", "-o", "yaml"));
  } finally { await c.stop(); }
})();
