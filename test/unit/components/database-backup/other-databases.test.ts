import { expect } from "chai";
import { notSaved } from "../../../../components/database-backup/other-databases";
import { workload } from "../../review/rolls/rolls-world";

const claim = { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "a" } }] };
const uses = (value: string) => workload("Deployment", { container: { env: [{ name: "X", value }] } });

describe("what no backup holds", () => {
  it("is what others than PostgreSQL keep on claims", () => {
    const set = workload("StatefulSet", { spec: { volumeClaimTemplates: [{ metadata: { name: "data" } }] } });
    const [line, ...more] = notSaved([workload("Deployment", { pod: claim }), set], "casa", []);
    expect(more).to.deep.equal([]);
    expect(line).to.contain("on claims of Deployment/casa/web, StatefulSet/casa/web is in no backup of this run");
    const server = workload("StatefulSet", { container: { image: "postgres:17" }, pod: claim });
    expect(notSaved([server, workload("Deployment")], "casa", [])).to.deep.equal([]);
  });

  it("is what programs keep in servers of other makes; only the host is told", () => {
    const urls = {
      "mysql://root:S3cret@db.example:3306/x": "MySQL at db.example",
      "mysql+pymysql://u:p@my/x": "MySQL at my",
      "jdbc:mariadb://maria:3306/keycloak": "MariaDB at maria",
      "jdbc:aws-wrapper:mysql://rds.example/x": "MySQL at rds.example",
      "jdbc:sqlserver://ms.example:1433;databaseName=x": "SQL Server at ms.example",
      "jdbc:oracle:thin:@//ora:1521/x": "Oracle Database at ora",
      "mongodb+srv://u:p@cluster0.example/x": "MongoDB at cluster0.example",
    };
    for (const [url, said] of Object.entries(urls)) {
      const [line = ""] = notSaved([uses(url)], "casa", []);
      expect(line, url).to.contain(`in ${said} is in no backup`).and.not.to.contain("S3cret");
    }
    for (const other of ["postgres://db/x", "redis://r", "https://mysql.example", "mysql", "sqlite:////x"]) {
      expect(notSaved([uses(other)], "casa", []), other).to.deep.equal([]);
    }
  });
});
