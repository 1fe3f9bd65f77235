import { expect } from "chai";
import type { ClusterClient } from "../../../kubernetes/connect";
import { deletedContents } from "../../../review/contents";
import type { ReleaseObject } from "../../../review/release-objects";
import type { ObjectChange } from "../../../review/report/schema";
import { crd } from "../upgrade/situation";

describe("what goes with all that is in it", () => {
  const deleted = (live: ReleaseObject["live"]): ReleaseObject => ({
    ...{ key: "k", namespaced: false, live },
    change: { action: "delete", check: { result: "accepted" } } as ObjectChange,
  });
  const found = (count: number, established = "True") => {
    const status = { conditions: [{ type: "Established", status: established }] };
    const client = { api: { count: () => Promise.resolve(count) } } as unknown as ClusterClient;
    return deletedContents(client, [deleted({ ...crd("systems"), status })], []);
  };

  it("is a CRD with objects of its kind, and how many", async () => {
    const [one] = await found(3);
    expect(one).to.include({ kind: "CustomResourceDefinition", name: "systems.casa.io" });
    expect(one?.why).to.contain("its 3 systems objects");
  });

  it("a CRD without any takes nothing along", async () => {
    expect(await found(0)).to.deep.equal([]);
    expect(await found(0, "False"), "objects of what is not served cannot be counted").to.have.length(1);
  });
});
