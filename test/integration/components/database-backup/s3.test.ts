import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect } from "chai";
import { openStore } from "../../../../components/database-backup/cluster/open-store";
import { behavesAsStore, contentOf, manifest, refusal, sha256 } from "../../../fixtures/backup-store";
import { inEnvironment, LocalProxy, TlsServer } from "../../world/corporate-network";
import { S3_KEYS, S3Server } from "../../world/s3";

describe("backups in S3", function () {
  this.timeout(60_000);
  const saved = { ...process.env };
  let server: S3Server;
  before(async function () {
    this.timeout(300_000); // the server may have to be built
    server = await S3Server.start("bucket");
    Object.assign(process.env, S3_KEYS);
  });
  after(async () => {
    for (const name of Object.keys(S3_KEYS)) {
      if (saved[name] === undefined) delete process.env[name];
      else process.env[name] = saved[name];
    }
    await server?.stop();
  });
  afterEach(() => {
    server.fault = () => undefined;
  });
  const open = (bucket = "bucket") =>
    openStore({ kind: "s3", bucket, prefix: "a/b", endpoint: server.endpoint, region: "us-east-1" }, "prod");
  const part = randomBytes(1024 * 1024);
  const large = () => Readable.from(Array.from({ length: 70 }, () => part));

  behavesAsStore(() => open());

  it("a server that only the environment's proxy reaches, with a certificate that only the machine trusts", async () => {
    const dir = mkdtempSync(join(tmpdir(), "s3-network-"));
    const proxy = await LocalProxy.start();
    const host = "s3.corp.test";
    const front = await TlsServer.start(dir, host, server.endpoint);
    const endpoint = `https://${host}:${front.port}`;
    const check = () =>
      openStore({ kind: "s3", bucket: "bucket", prefix: "", endpoint, region: "us-east-1" }, "prod").check();
    try {
      const env = { HTTPS_PROXY: `http://${proxy.address}` };
      expect(await refusal(inEnvironment(env, check))).to.contain("certificate");
      await inEnvironment({ ...env, AWS_CA_BUNDLE: front.certificate }, check);
      await inEnvironment({ ...env, SSL_CERT_FILE: front.certificate }, check);
      expect(proxy.asked.length).to.be.greaterThan(2);
      expect(await refusal(inEnvironment({ ...env, NO_PROXY: host }, check))).to.contain(host);
    } finally {
      proxy.stop();
      front.stop();
      rmSync(dir, { recursive: true });
    }
  });

  it("are below prefix and stack; others' objects are passed over, on every page of a list", async () => {
    server.put("a/b/prod/other.json", "{}");
    server.put("a/b/production/x.json", "{}");
    for (let i = 0; i < 1100; i++) server.put(`a/b/prod/aa-${i}.txt`, "");
    server.requests.length = 0;
    expect(await open().list()).to.have.length(3);
    expect(server.requests.filter((request) => /^GET \/bucket\/?$/.test(request))).to.have.length(2);
    expect(open().locate("x.dump")).to.equal("s3://bucket/a/b/prod/x.dump");
    expect(server.keys().filter((key) => !key.startsWith("a/b/prod"))).to.deep.equal([]);
  });

  it("go up in parts when they are large, and leave neither object nor upload when the server is full", async () => {
    const stored = await open().write("large.dump", large());
    expect(stored.bytes).to.equal(70 * part.length);
    expect(sha256(readFileSync(server.file("a/b/prod/large.dump")))).to.equal(stored.sha256);
    await open().discard("large.dump");
    let begun = 0;
    server.fault = ({ url }) => {
      if (!/partNumber=2/.test(url ?? "")) return undefined;
      begun = server.uploads().length;
      return "full";
    };
    const why = await refusal(open().write("large.dump", large()));
    expect(why).to.contain("s3://bucket/a/b/prod/ cannot be written to").and.to.contain("XMinioStorageFull");
    expect(server.keys("a/b/prod")).not.to.include("a/b/prod/large.dump");
    expect(begun).to.equal(1);
    expect(server.uploads()).to.deep.equal([]);
  });

  it("a connection that breaks off: once is overcome, for good is refused, an answer that ends half-way is no backup", async () => {
    let broken = 0;
    const isPart = (url = "") => /partNumber=2/.test(url);
    server.fault = ({ url }) => (isPart(url) && broken++ === 0 ? "break" : undefined);
    const stored = await open().write("large.dump", large());
    expect(broken).to.equal(2);
    expect(sha256(readFileSync(server.file("a/b/prod/large.dump")))).to.equal(stored.sha256);
    server.fault = ({ method }) => (method === "GET" ? "half" : undefined);
    expect(await refusal(contentOf(open(), "large.dump"))).to.match(/aborted|terminated|ECONNRESET|premature/i);
    server.fault = () => "break";
    expect(await refusal(open().finish(manifest("auth", "20260109T000000Z-000009", Buffer.from("x"))))).to.contain(
      "Fix:",
    );
    expect(await refusal(open().check()))
      .to.contain("cannot be used")
      .and.contain("Fix:");
  });

  it("are refused without bucket or credentials, which are not shown", async () => {
    expect(await refusal(open("another").check()))
      .to.contain("s3://another/a/b/prod/")
      .and.to.contain("Fix:");
    for (const [name, wrong] of Object.entries({ AWS_ACCESS_KEY_ID: "wrong", AWS_SECRET_ACCESS_KEY: "wr0ng" })) {
      process.env[name] = wrong;
      const why = await refusal(open().check());
      Object.assign(process.env, S3_KEYS);
      expect(why)
        .to.contain("credentials in the environment")
        .and.not.to.contain("never-shown")
        .and.not.to.contain("wr0ng");
    }
  });
});
