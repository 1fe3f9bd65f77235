import { expect } from "chai";
import { passwordsStrong, secretsEncrypted } from "../../../policies/passwords";
import { REVIEW_TYPE } from "../../../policies/rule";
import { judge } from "../../../policies/testing";
import type { PasswordFact } from "../../../review/facts/schema";
import { reviewArgs } from "../../../upgrade/upgrade-review";
import { reviewOf } from "../../fixtures/review";

describe("the rules about passwords", () => {
  it("passwords: weak ones advise, readable ones refuse", () => {
    const check = (name: string, passwords: PasswordFact[]) => {
      const policy = name === "passwords-strong" ? passwordsStrong : secretsEncrypted;
      const runtime = { ...reviewOf().runtime, passwords };
      const props: Record<string, unknown> = { ...reviewArgs(reviewOf({ runtime })) };
      return judge(policy, { type: REVIEW_TYPE, name: "casa-review", props }).messages;
    };
    const of = (origin: "chart" | "config" | "secret", problem: "default" | "short" | null) => [
      { where: "values postgresAuth.password", origin, problem },
    ];
    expect(check("passwords-strong", of("chart", "default"))[0]).to.contain(
      "--path secretValues.postgresAuth.password",
    );
    expect(check("passwords-strong", of("secret", "short"))[0]).to.contain("shorter than 12");
    expect(check("passwords-strong", of("secret", null))).to.deep.equal([]);
    expect(check("secrets-encrypted", of("config", null))[0]).to.contain("plain text");
    expect(check("secrets-encrypted", of("config", "default"))).to.deep.equal([]); // everybody knows it anyway
    expect(check("secrets-encrypted", of("secret", null))).to.deep.equal([]);
    const fix = (where: string) => check("secrets-encrypted", [{ where, origin: "config", problem: null }]).join();
    // A list of secretValues would replace the whole list of the values.
    expect(fix("values users[0].password"))
      .to.contain("pulumi config set --secret --path 'values.users[0].password'")
      .and.to.contain("move the list users");
    expect(fix('values tls["tls.key"]')).to.contain("--secret --path 'secretValues.tls[\"tls.key\"]'");
    expect(fix('values ["a.b"].password')).to.contain("--path 'secretValues[\"a.b\"].password'");
  });
});
