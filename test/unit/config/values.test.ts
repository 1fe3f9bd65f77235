import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { expect } from "chai";
import { UserError } from "../../../shared/user-error";
import { prepareConfig } from "../../../config/config-load";
import { hasNulls, markSecretLeaves, mergeValues, readValueFiles } from "../../../config/values";

describe("chart values", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "casa-values-"))));
  afterEach(() => rmSync(folder, { recursive: true }));

  function file(name: string, text: string): string {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  }

  describe("readValueFiles", () => {
    it("reads YAML as helm does", () => {
      // Each result is what `helm template` of helm 3.22 renders for the same text.
      const text = `
        yes: on
        commit: e1234567
        port: 1:30
        date: 2026-11-23
        mode: 0644
        octal: 0o17
        odd: 08
        hex: 0x1F
        binary: -0b11
        thousand: 1_000
        exponent: 12e03
        half: .5
        version: 1.2.3
        none: ~
        8080: port
        base: &base {a: 1, b: 2}
        merged: {<<: *base, b: 3}`;
      expect(readValueFiles([file("v.yaml", text)])).to.deep.equal([
        {
          true: true,
          commit: "e1234567",
          port: "1:30",
          date: "2026-11-23",
          mode: 420,
          octal: 15,
          odd: 8,
          hex: 31,
          binary: -3,
          thousand: 1000,
          exponent: 12000,
          half: 0.5,
          version: "1.2.3",
          none: null,
          8080: "port",
          base: { a: 1, b: 2 },
          merged: { a: 1, b: 3 },
        },
      ]);
    });

    it("takes an empty file for no values", () =>
      expect(readValueFiles([file("v.yaml", "# nothing\n")])).to.deep.equal([{}]));

    it("takes the last of a repeated key, as helm does", () =>
      expect(readValueFiles([file("twice.yaml", "a: 1\na: 2\n")])).to.deep.equal([{ a: 2 }]));

    it("names key, path and line of every wrong file, and quotes none of it", () => {
      const good = file("good.yaml", "a: 1");
      const broken = file("broken.yaml", "a: 1\npassword: [hunter2\nb: 2\n");
      const endless = file("endless.yaml", "image:\n  tag: 12e4567\n");
      const list = file("list.yaml", "- hunter2\n");
      const missing = join(folder, "missing.yaml");
      expect(() => readValueFiles([good, broken, endless, list, missing]))
        .to.throw(UserError)
        .with.property("message")
        .that.includes("has 4 problems")
        .and.includes(`valueFiles[1]: is "${broken}"; line 3 is not valid YAML`)
        .and.includes(`valueFiles[2]: is "${endless}"; image.tag is a number without end to YAML`)
        .and.includes(`valueFiles[3]: is "${list}"; it does not hold a map`)
        .and.includes(`valueFiles[4]: is "${missing}"; the file does not exist`)
        .and.includes("pulumi config set --path 'valueFiles[4]' values.yaml")
        .and.not.includes("hunter2");
    });
  });

  describe("mergeValues", () => {
    it("merges maps, replaces lists and scalars, keeps null", () => {
      const merged = mergeValues(
        { a: { b: 1, c: 2 }, list: [1, 2], map: { x: 1 }, text: "t", gone: { x: 1 } },
        { a: { c: 3, d: 4 }, list: [9], map: "now text", text: { now: "a map" }, gone: null },
      );
      expect(merged).to.deep.equal({
        a: { b: 1, c: 3, d: 4 },
        list: [9],
        map: "now text",
        text: { now: "a map" },
        gone: null,
      });
    });

    it("changes none of its inputs", () => {
      const base = { a: { b: 1 } };
      mergeValues(base, { a: { b: 2 } });
      expect(base).to.deep.equal({ a: { b: 1 } });
    });
  });

  it("markSecretLeaves marks exactly what the secret part brings", () => {
    const secret = { db: { password: "p", hosts: ["h"] }, token: "t", empty: {} };
    const merged = mergeValues({ db: { user: "u", password: "old" }, open: 1, empty: { kept: 1 } }, secret);
    expect(markSecretLeaves(merged, secret, (value) => ({ hidden: value }))).to.deep.equal({
      db: { user: "u", password: { hidden: "p" }, hosts: { hidden: ["h"] } },
      open: 1,
      token: { hidden: "t" },
      empty: { kept: 1 },
    });
  });

  it("hasNulls looks into maps and lists", () => {
    expect(hasNulls({ a: [{ b: null }] })).to.equal(true);
    expect(hasNulls({ a: [{ b: 0 }], c: "" })).to.equal(false);
  });

  describe("prepareConfig", () => {
    const own = { "p:context": "prod", "p:chart": "./chart" };

    it("reads what the engine hands over: text, and maps and lists as JSON", () => {
      const all = {
        ...own,
        "p:maxHistory": "5",
        "p:allowInstall": "true",
        "p:timeouts": '{"release":900}',
        "q:x": "1",
      };
      const { config } = prepareConfig("p", { ...all, "p:context": "1" }, []);
      expect(config).to.include({ context: "1", maxHistory: 5, allowInstall: true });
      expect(config.timeouts.release).to.equal(900);
    });

    it("sees every key of the project", () =>
      expect(() => prepareConfig("p", { ...own, "p:verson": "1" }, [])).to.throw(`the nearest one is "version"`));

    it("merges files, values and secret values, and hides only the secret leaves", async () => {
      const files = JSON.stringify([file("v.yaml", "db: {user: file, password: file, host: file}\n")]);
      const loaded = prepareConfig(
        "p",
        {
          ...own,
          "p:valueFiles": files,
          "p:values": '{"db":{"user":"u"}}',
          "p:secretValues": '{"db":{"password":"s"}}',
        },
        ["p:secretValues"],
      );
      expect(loaded.values).to.deep.equal({ db: { user: "u", password: "s", host: "file" } });
      const db = loaded.programValues["db"] as Record<string, unknown>;
      expect(db["user"]).to.equal("u");
      expect(db["host"]).to.equal("file");
      expect(await pulumi.isSecret(db["password"] as pulumi.Output<string>)).to.equal(true);
    });

    it("hides all of `values` when it is stored encrypted, and nothing of the files", async () => {
      const files = JSON.stringify([file("v.yaml", "a: {open: 1}\n")]);
      const all = { ...own, "p:valueFiles": files, "p:values": '{"a":{"closed":2}}' };
      const a = prepareConfig("p", all, ["p:values"]).programValues["a"] as Record<string, unknown>;
      expect(a["open"]).to.equal(1);
      expect(await pulumi.isSecret(a["closed"] as pulumi.Output<number>)).to.equal(true);
    });
  });
});
