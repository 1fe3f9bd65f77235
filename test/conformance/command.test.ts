import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "chai";
import { at, isSecret, PluginClient, pluginsUnderTest, reveal, secret, UNKNOWN, urnOf } from "./client";

const urn = urnOf("command:local:Command", "task");

async function rejection(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("it was expected to fail, but did not");
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (condition()) return;
    await sleep(50);
  }
  throw new Error(`it never happened: ${what}`);
}

function isRunning(pid: number): boolean {
  try {
    // A zombie still answers signals; it has no command line left.
    return fs.readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
}

for (const plugin of pluginsUnderTest("command", "1.2.1")) {
  const embedded = plugin.title.startsWith("embedded");

  describe(`${plugin.title}: commands`, function () {
    this.timeout(20_000);
    let client: PluginClient;
    let folder: string;

    before(async function () {
      this.timeout(60_000); // the embedded plugin may have to be built first
      client = await PluginClient.start(plugin, "command");
      await client.configure({});
    });
    after(() => client?.stop());
    beforeEach(() => {
      folder = fs.mkdtempSync(path.join(os.tmpdir(), "casa-command-test-"));
    });
    afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

    /** Starts a plugin of its own, for a case that ends it. */
    async function another(): Promise<PluginClient> {
      const started = await PluginClient.start(plugin, "command");
      await started.configure({});
      return started;
    }

    describe("create", () => {
      it("runs the command by the shell and returns its output without the last line break", async () => {
        const made = await client.create(urn, { create: "printf 'one\\ntwo\\n\\n'; echo problem >&2" });
        expect(made.id).to.match(/^task[0-9a-f]{8}$/);
        expect(made.state).to.include({ stdout: "one\ntwo\n", stderr: "problem" });
      });

      it("passes on standard input, environment, folder and interpreter", async () => {
        const script =
          "const fs = require('fs'); console.log(process.cwd(), process.env.NAME, fs.readFileSync(0, 'utf8'))";
        const made = await client.create(urn, {
          create: script,
          interpreter: [process.execPath, "-e"],
          environment: { NAME: "casa" },
          stdin: "from stdin",
          dir: folder,
        });
        expect(made.state["stdout"]).to.equal(`${fs.realpathSync(folder)} casa from stdin`);
      });

      it("is not disturbed by a command that does not read its input", async () => {
        const made = await client.create(urn, { create: "exec true", stdin: "x".repeat(1_000_000) });
        expect(made.state["stdout"]).to.equal("");
      });

      it("of a command that fails tells exit status, command and output, and leaves nothing in the state", async () => {
        const error = await rejection(client.create(urn, { create: `echo "some output"; echo trouble >&2; exit 3` }));
        const [first, ...output] = error.message.split("\n");
        expect(first).to.equal(String.raw`exit status 3: running "echo \"some output\"; echo trouble >&2; exit 3":`);
        expect(output).to.have.members(["some output", "trouble", ""]);
      });

      it("fails in a folder that does not exist", async () => {
        const error = await rejection(client.create(urn, { create: "true", dir: path.join(folder, "missing") }));
        expect(error.message).to.match(/chdir .*missing: no such file or directory/);
      });

      it("without a command does nothing", async () => {
        const made = await client.create(urn, { update: "echo update", delete: "echo delete" });
        expect(made.state).to.include({ stdout: "", stderr: "" });
      });

      it("keeps a secret input secret; its output is not", async () => {
        const made = await client.create(urn, { create: "wc -c", stdin: secret("hunter2") });
        expect(isSecret(made.state["stdin"])).to.equal(true);
        expect(made.state["stdout"]).to.equal("7");
      });

      it("waits for what the command left running in the background, as long as it holds the output", async () => {
        const made = await client.create(urn, { create: "(sleep 0.5; echo late) & echo early" });
        expect(made.state["stdout"]).to.equal("early\nlate");
      });

      it("in a preview runs nothing and leaves the output unknown", async () => {
        const file = path.join(folder, "ran");
        const planned = await client.create(urn, { create: `touch ${file}` }, { preview: true });
        expect(planned.state).to.include({ create: `touch ${file}`, stdout: UNKNOWN, stderr: UNKNOWN });
        expect(fs.existsSync(file)).to.equal(false);
      });
    });

    describe("logging", () => {
      for (const [logging, shown] of Object.entries({
        stdout: ["to out"],
        stderr: ["to err"],
        stdoutAndStderr: ["to err", "to out"],
        none: [],
      })) {
        it(`${logging} shows ${shown.join(" and ") || "nothing"} while the command runs`, async () => {
          const own = urnOf("command:local:Command", `logging-${logging}`);
          const made = await client.create(own, { create: "echo to out; echo to err >&2", logging });
          expect(made.state).to.include({ stdout: "to out", stderr: "to err" });
          await sleep(100);
          expect(client.said({ urn: own }, "status").sort()).to.deep.equal(shown);
        });
      }

      it("of another kind is not refused; nothing is shown", async () => {
        const own = urnOf("command:local:Command", "logging-everything");
        const made = await client.create(own, { create: "echo to out; echo to err >&2", logging: "everything" });
        expect(made.state).to.include({ stdout: "to out", stderr: "to err", logging: "everything" });
        await sleep(100);
        expect(client.said({ urn: own }, "status")).to.deep.equal([]);
      });

      it("that is no text is refused", async () => {
        const { failures } = await client.check(urn, { create: "true", logging: ["stdout"] });
        expect(failures.map(({ property }) => property)).to.deep.equal(["logging"]);
      });
    });

    describe("diff", () => {
      const base = { create: "echo 1", environment: { A: "1" }, triggers: ["a", { b: 1 }] };

      it("finds none between equal inputs", async () => {
        expect((await client.plan(await client.create(urn, base), base)).changes).to.equal(false);
      });

      it("updates when anything but the triggers changes", async () => {
        const made = await client.create(urn, base);
        const { changes, detailed, replaces } = await client.plan(made, {
          ...base,
          create: "echo 2",
          environment: { B: "1" },
        });
        expect(changes).to.equal(true);
        expect(detailed).to.deep.equal({ create: "UPDATE", "environment.A": "DELETE", "environment.B": "ADD" });
        expect(replaces).to.deep.equal([]);
      });

      for (const [what, commands] of Object.entries({ with: { update: "echo update" }, without: {} })) {
        it(`leaves it to the SDK to replace for a changed trigger, ${what} an update command`, async () => {
          const made = await client.create(urn, { ...base, ...commands });
          const { detailed, replaces } = await client.plan(made, { ...base, ...commands, triggers: ["a", { b: 2 }] });
          expect(detailed).to.deep.equal({ "triggers[1].b": "UPDATE" });
          expect(replaces).to.deep.equal([]);
        });
      }

      it("replaces when there are triggers for the first time, or no longer", async () => {
        const { triggers: _triggers, ...without } = base;
        const [none, some] = [await client.create(urn, without), await client.create(urn, base)];
        expect((await client.plan(none, base)).detailed).to.deep.equal({ triggers: "ADD_REPLACE" });
        expect((await client.plan(some, without)).detailed).to.deep.equal({ triggers: "DELETE_REPLACE" });
      });
    });

    describe("update", () => {
      it("runs the update command, which sees the last output", async () => {
        const made = await client.create(urn, { create: "echo out; echo err >&2", update: "echo unused" });
        const update = `echo "$PULUMI_COMMAND_STDOUT+$PULUMI_COMMAND_STDERR"`;
        const updated = await client.update(made, { create: "echo out", update });
        expect(updated.id).to.equal(made.id);
        expect(updated.state).to.include({ stdout: "out+err", stderr: "" });
      });

      it("without an update command runs create again", async () => {
        const made = await client.create(urn, { create: "echo one" });
        const updated = await client.update(made, { create: 'echo "two after $PULUMI_COMMAND_STDOUT"' });
        expect(updated.state["stdout"]).to.equal("two after one");
      });

      it("does not pass the last output on when told so", async () => {
        const made = await client.create(urn, { create: "echo one" });
        const updated = await client.update(made, {
          create: 'echo "[$PULUMI_COMMAND_STDOUT]"',
          addPreviousOutputInEnv: false,
        });
        expect(updated.state["stdout"]).to.equal("[]");
      });

      it("without any command keeps the output", async () => {
        const made = await client.create(urn, { create: "echo one" });
        expect((await client.update(made, { delete: "true" })).state["stdout"]).to.equal("one");
      });

      it("in a preview runs nothing and leaves the output unknown", async () => {
        const made = await client.create(urn, { create: "echo one" });
        const file = path.join(folder, "ran");
        const planned = await client.update(made, { create: `touch ${file}` }, { preview: true });
        expect(planned.state["stdout"]).to.equal(UNKNOWN);
        expect(fs.existsSync(file)).to.equal(false);
      });
    });

    describe("refresh", () => {
      it("believes the state", async () => {
        const made = await client.create(urn, { create: "echo one" });
        const refreshed = await client.read(made);
        expect(refreshed?.state).to.deep.equal(made.state);
        expect(refreshed?.inputs).to.deep.equal(made.inputs);
      });
    });

    describe("delete", () => {
      it("runs the delete command with the inputs and output in the state", async () => {
        const file = path.join(folder, "deleted");
        const script = `echo "$NAME $PULUMI_COMMAND_STDOUT $(cat)" > ${file}`;
        const made = await client.create(urn, {
          create: "echo out",
          delete: script,
          stdin: "in",
          environment: { NAME: "n" },
        });
        await client.delete(made);
        expect(fs.readFileSync(file, "utf8")).to.equal("n out in\n");
      });

      it("without a delete command does nothing", async () => {
        await client.delete(await client.create(urn, { create: "true" }));
      });

      it("that fails is an error", async () => {
        const made = await client.create(urn, { create: "true", delete: "exit 4" });
        expect((await rejection(client.delete(made))).message).to.match(/^exit status 4: running "exit 4":/);
      });
    });

    describe("files", () => {
      it("that match the patterns are returned as assets and as an archive", async () => {
        for (const file of ["a.txt", "secret.txt", "deep/b.txt", "deep/c.js"]) {
          fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
          fs.writeFileSync(path.join(folder, file), file);
        }
        const made = await client.create(urn, {
          create: "echo made > d.txt",
          dir: folder,
          assetPaths: ["*.txt", "!**secret.*"],
          archivePaths: ["**.{txt,md}"],
        });
        expect(Object.keys(made.state["assets"] as object).sort()).to.deep.equal(["a.txt", "d.txt"]);
        expect(at(made.state, "assets", "d.txt", "path")).to.equal(path.join(folder, "d.txt"));
        expect(Object.keys(reveal(at(made.state, "archive", "assets")) as object).sort()).to.deep.equal([
          "a.txt",
          "d.txt",
          "deep/b.txt",
          "secret.txt",
        ]);
      });
    });

    describe("cancelling", () => {
      it("ends the command, and the operation fails", async () => {
        const other = await another();
        try {
          const file = path.join(folder, "pid");
          const creation = rejection(other.create(urn, { create: `echo $$ > ${file}; exec sleep 60` }));
          await until("the command runs", () => fs.existsSync(file) && fs.readFileSync(file, "utf8").endsWith("\n"));
          await other.cancel();
          expect((await creation).message).to.match(/^signal: killed: running /);
          expect(isRunning(Number(fs.readFileSync(file, "utf8")))).to.equal(false);
        } finally {
          await other.stop();
        }
      });

      if (embedded) {
        it("ends what the command started, too", async () => {
          const other = await another();
          try {
            const file = path.join(folder, "pid");
            const creation = rejection(other.create(urn, { create: `sleep 60 & echo $! > ${file}; wait` }));
            await until("the command runs", () => fs.existsSync(file) && fs.readFileSync(file, "utf8").endsWith("\n"));
            await other.cancel();
            await creation;
            const pid = Number(fs.readFileSync(file, "utf8"));
            await until("the grandchild ends", () => !isRunning(pid));
          } finally {
            await other.stop();
          }
        });

        it("happens also when the engine is killed and can say nothing", async () => {
          const other = await another();
          const file = path.join(folder, "pid");
          const creation = rejection(other.create(urn, { create: `sleep 60 & echo $! > ${file}; wait` }));
          await until("the command runs", () => fs.existsSync(file) && fs.readFileSync(file, "utf8").endsWith("\n"));
          other.process.stdin?.end(); // what the plugin sees of it
          await creation;
          const pid = Number(fs.readFileSync(file, "utf8"));
          await until("the grandchild ends", () => !isRunning(pid));
          await other.stop();
        });
      }
    });
  });
}
