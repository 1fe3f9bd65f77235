import { expect } from "chai";
import type { KubeObject } from "../../../kubernetes/objects";
import { passwordFacts } from "../../../review/facts/passwords";

describe("passwords", () => {
  const secret = (data: Record<string, string>): KubeObject => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: "s" },
    stringData: data,
  });
  const facts = (over: Partial<Parameters<typeof passwordFacts>[0]>) =>
    passwordFacts({ defaults: {}, values: {}, secretPart: {}, rendered: [], ...over }).map(
      ({ where, origin, problem }) => `${where}: ${origin}, ${problem ?? "fine"}`,
    );

  it("of values: where they come from, and what is wrong with them", () => {
    const defaults = { db: { password: "postgres", user: "postgres" }, kc: { adminPassword: "9f8a7s6d5f4a3s2d1" } };
    expect(facts({ defaults })).to.deep.equal([
      "values db.password: chart, default",
      "values kc.adminPassword: chart, default",
    ]);
    const values = { db: { password: "quite-a-long-one" } };
    expect(facts({ defaults: { db: { password: "postgres" } }, values })).to.deep.equal([
      "values db.password: config, fine",
    ]);
    expect(facts({ values, secretPart: values })).to.deep.equal(["values db.password: secret, fine"]);
    expect(facts({ values: { jwtToken: "short" } })).to.deep.equal(["values jwtToken: config, short"]);
    expect(facts({ values: { db: { password: "Admin" } } })).to.deep.equal(["values db.password: config, default"]);
    expect(facts({ values: { db: { password: 12345678 } } })).to.deep.equal(["values db.password: config, default"]);
    expect(facts({ values: { url: "postgresql://u:tiny@h/db" } })).to.deep.equal(["values url: config, short"]);
  });
  it("names of Secrets, references, empty texts and counts are none", () => {
    const values = {
      ...{ existingSecret: "my-secret", passwordKey: "password", secretName: "s", passwordSecretRef: "x" },
      ...{ tokenCacheSeconds: 30, password: "", secret: "s", useToken: true, url: "https://h/db" },
    };
    expect(facts({ values, rendered: [secret({})] })).to.deep.equal([]);
  });
  it("names of Secrets by other keys, placeholders, files and addresses are none, and what is one stays one", () => {
    const values = {
      ...{ imagePullSecret: "regcred", tlsSecret: "ns/tls", adminPasswordSecret: "keycloak-admin" },
      ...{ "nginx.ingress.kubernetes.io/auth-secret": "basic-auth", proxyPass: "http://up" },
      ...{ password: "$(DB_PASSWORD)", token: "/var/run/secrets/token", apiKey: "vault:secret/data/x#key" },
      ...{ dbUrl: "postgresql://$(DB_USER):$(DB_PASSWORD)@h/db", rootPassword: "{{ .Values.x }}" },
    };
    expect(facts({ values })).to.deep.equal([]);
    const real = { clientSecret: "abc", cookieSecret: "abc", adminPasswordSecret: "S3cret!", password: "/x" };
    expect(facts({ values: real })).to.have.length(4);
  });
  it("in lists of variables, by the variable's name, with the path that pulumi takes", () => {
    const values = {
      extraEnv: [
        { name: "DB_PASSWORD", value: "quite-a-long-one" },
        { name: "DB_USER", value: "casa" },
        { name: "KC_DB_PASSWORD", valueFrom: { secretKeyRef: { name: "s", key: "password" } } },
        { name: "PGPASSWORD", value: "$(POSTGRES_PASSWORD)" },
        { name: "DB_PASSWORD_FILE", value: "/run/secrets/db" },
      ],
      users: [{ name: "a", password: "another-long-one" }],
      apiTokens: ["a-third-long-one"],
      global: { "casa.io/token": "a-fourth-long-one" },
      imagePullSecrets: [{ name: "regcred" }, "regcred"],
    };
    expect(facts({ values })).to.deep.equal([
      "values extraEnv[0].value: config, fine",
      "values users[0].password: config, fine",
      "values apiTokens[0]: config, fine",
      'values global["casa.io/token"]: config, fine',
    ]);
  });
  it("in texts: files of settings, YAML, JSON, connection strings, arguments, scripts, private keys", () => {
    const key = "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n";
    const texts = {
      yaml: "database:\n  user: casa\n  password: quite-a-long-one\n",
      template: '{{- if .x }}\nadmin:\n  password: "quite-a-long-one"\n{{- end }}',
      env: "- name: KEYCLOAK_ADMIN_PASSWORD\n  value: quite-a-long-one\n",
      properties: "db.url=x\nspring.datasource.password=quite-a-long-one\n",
      ini: "[security]\nadmin_password = quite-a-long-one\n",
      json: '{"clients": [{"clientId": "casa", "secret": "quite-a-long-one"}]}',
      jdbc: "jdbc:postgresql://db:5432/casa?user=casa&password=quite-a-long-one",
      url: "primary is postgresql://casa:quite-a-long-one@db/casa",
      dsn: "host=db user=casa password=quite-a-long-one dbname=casa",
      args: ["--db-password=quite-a-long-one", "--verbose"],
      sql: "CREATE ROLE casa LOGIN PASSWORD 'quite-a-long-one';",
      "tls.key": key,
      bundle: `-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n${key}`,
      encoded: Buffer.from(key).toString("base64"),
    };
    const found = passwordFacts({ defaults: {}, values: texts, secretPart: {}, rendered: [] });
    expect(found.map(({ where }) => where)).to.deep.equal(
      Object.keys(texts).map((name) =>
        name === "args" ? "values args[0]" : name === "tls.key" ? 'values ["tls.key"]' : `values ${name}`,
      ),
    );
    expect(new Set(found.map(({ origin, problem }) => `${origin} ${problem ?? ""}`))).to.deep.equal(
      new Set(["config "]),
    );
    // What is encrypted is so as a whole, and what the chart has by default everybody can read.
    expect(facts({ values: texts, secretPart: texts })).to.deep.equal([]);
    expect(facts({ defaults: texts })).to.deep.equal([]);
  });
  it("in texts placeholders, references, code, comments and certificates are none", () => {
    const texts = {
      yaml: "passwordSecret:\n  name: s\nenv:\n- name: PASSWORD\n  valueFrom:\n    secretKeyRef: {name: s, key: password}\n",
      properties: "# password=quite-a-long-one\npassword=${DB_PASSWORD}\ntoken=$(cat /token)\nuse_password=true\n",
      script: 'export PGPASSWORD="$POSTGRES_PASSWORD"\npassword = os.environ["PASSWORD"]\ntoken = ngx.var.token\n',
      shell: 'if [ "$token" = "" ]; then password=$1; fi\n',
      sql: "ALTER USER casa PASSWORD '${DB_PASSWORD}';",
      jdbc: "jdbc:postgresql://db/casa?user=casa&password=${DB_PASSWORD}",
      urls: "amqp://$(USER):$(PASSWORD)@mq https://keycloak.example:8443/realms/a@b",
      realm:
        '{"clients": [{"secret": "**********", "clientAuthenticatorType": "client-secret"}], "resetPassword": "true"}',
      argocd: "password: <path:secret/data/db#password>\ntoken: ref+vault://db#token\nsecret: <db-secret>\n",
      certificate: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
      example: "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n",
      notes: "Change the password: it is\nin the Secret.\n",
      rule: "scram: password_encryption = scram-sha-256\n",
      sealed: "password: ENC[AES256_GCM,data:x,type:str]\n",
    };
    expect(facts({ values: texts })).to.deep.equal([]);
  });
  it("of templates: what a Secret holds that no value says", () => {
    const rendered = [secret({ password: "admin", username: "admin", "tls.key": "x", token: "generated-and-long" })];
    expect(facts({ rendered })).to.deep.equal([
      "Secret s key password: chart, default",
      "Secret s key token: chart, fine",
    ]);
    expect(facts({ rendered, values: { password: "admin" } })[0]).to.equal("values password: config, default");
    expect(facts({ rendered, values: { password: "admin" } })).to.have.length(2);
  });
  it("never says what one is", () => {
    const values = { password: "planted-value-1", url: "amqp://u:planted-value-2@h" };
    expect(JSON.stringify(facts({ values, rendered: [secret({ password: "planted-value-3" })] }))).not.to.contain(
      "planted",
    );
  });
});
