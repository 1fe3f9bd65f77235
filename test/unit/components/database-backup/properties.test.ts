import { expect } from "chai";
import {
  type DatabaseProperty,
  missingProperties,
  propertyStatements,
  rolesOf,
} from "../../../../components/database-backup/properties";

const property = (kind: DatabaseProperty["kind"], name = "", value = "", role = ""): DatabaseProperty => ({
  ...{ kind, name, value, role },
});

describe("what belongs to a database beside its contents", () => {
  it("is set by statements that quote names and values, and leave lists lists", () => {
    const properties = [
      property("setting", "search_path", '"$user", app'),
      property("setting", "search_path", "", "casa"),
      property("setting", "app.motto", "it's \\ fine", 'a"b'),
      property("acl"),
      property("grant", "CONNECT*", "", "casa"),
      property("grant", "TEMPORARY"),
      property("comment", "", "the o'clock"),
      property("limit", "", "7"),
    ];
    expect(propertyStatements("x y", properties)).to.deep.equal([
      'ALTER DATABASE "x y" SET "search_path" TO "$user", app;',
      `ALTER ROLE "casa" IN DATABASE "x y" SET "search_path" TO '';`,
      `ALTER ROLE "a""b" IN DATABASE "x y" SET "app"."motto" TO 'it''s \\ fine';`,
      'REVOKE ALL ON DATABASE "x y" FROM PUBLIC;',
      'GRANT CONNECT ON DATABASE "x y" TO "casa" WITH GRANT OPTION;',
      'GRANT TEMPORARY ON DATABASE "x y" TO PUBLIC;',
      `COMMENT ON DATABASE "x y" IS 'the o''clock';`,
      'ALTER DATABASE "x y" CONNECTION LIMIT 7;',
    ]);
    expect(rolesOf(properties)).to.deep.equal(['a"b', "casa"]);
  });

  it("is compared one by one", () => {
    const [a, b] = [property("limit", "", "7"), property("comment", "", "x")];
    expect(missingProperties([a, b], [a])).to.deep.equal([b]);
    expect(missingProperties([a], [a, b])).to.deep.equal([]);
  });
});
