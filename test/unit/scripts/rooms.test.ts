import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect } from "chai";
import execa from "execa";
import { picture, withoutShortcuts, withPicture } from "../../../scripts/architecture";
import roomsFile from "../../../scripts/rooms.json";

const ROOT = resolve(__dirname, "../../..");
const PROGRAM = ["index.ts", ...roomsFile.rooms.map(({ room }) => room).filter((room) => room !== "index.ts")];

/** An import that each rule forbids: the file it stands in, and what it imports. */
const FORBIDDEN: [rule: RegExp, file: string, imports: string][] = [
  [/^index\.ts imports only/, "index.ts", "./helm/chart"],
  [/^cli imports only/, "cli/wrong.ts", "../policies/all"],
  [/^upgrade imports only/, "upgrade/wrong.ts", "../cli/confirm"],
  [/^history imports only/, "history/wrong.ts", "../upgrade/plan"],
  [/^review imports only/, "review/wrong.ts", "../history/table"],
  [/^components imports only/, "components/wrong.ts", "../review/build"],
  [/^helm imports only/, "helm/wrong.ts", "../components/crd-set/component"],
  [/^config imports only/, "config/wrong.ts", "../helm/chart"],
  [/^diagnosis imports only/, "diagnosis/wrong.ts", "../crds/crds"],
  [/^crds imports only/, "crds/wrong.ts", "../config/config"],
  [/^kubernetes imports only/, "kubernetes/wrong.ts", "../helm/release"],
  [/^shared imports nothing/, "shared/wrong.ts", "../kubernetes/api"],
  [/^policies imports nothing/, "policies/wrong.ts", "../shared/digest"],
  [/^sandbox imports only/, "sandbox/wrong.ts", "../review/build"],
  [/^scripts imports only/, "scripts/wrong.ts", "../sandbox/paths"],
  [/^step crd-set knows no other/, "components/crd-set/wrong.ts", "../database-backup/plan"],
  [
    /^step custom-resource-migration knows only/,
    "components/custom-resource-migration/wrong.ts",
    "../crd-set/component",
  ],
  [/^step database-backup knows no other/, "components/database-backup/wrong.ts", "../migration-gate/target"],
  [/^step runtime-release knows no other/, "components/runtime-release/wrong.ts", "../migration-gate/target"],
  [/^step migration-gate knows only/, "components/migration-gate/wrong.ts", "../workload-restarts/restarts"],
  [/^step workload-restarts knows no other/, "components/workload-restarts/wrong.ts", "../crd-set/component"],
  [/^no circular imports/, "shared/wrong.ts", "./wrong"],
  [/^tests are imported by tests/, "helm/wrong.ts", "../test/reporter"],
];

describe("who may import whom", function () {
  this.timeout(120_000);
  let copy: string;

  before(() => {
    copy = mkdtempSync(join(tmpdir(), "rooms-"));
    const needed = [...PROGRAM, "package.json", "tsconfig.json", ".dependency-cruiser.cjs", "test/reporter.ts"];
    for (const path of needed) cpSync(join(ROOT, path), join(copy, path), { recursive: true, filter: isSource });
    symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  });
  after(() => rmSync(copy, { recursive: true, force: true }));

  it("`npm run check` fails by each rule when a file imports against it, and says which", async () => {
    for (const [, file, imports] of FORBIDDEN) {
      const path = join(copy, file);
      const before = existsSync(path) ? readFileSync(path, "utf8") : "";
      writeFileSync(path, `${before}\nimport ${JSON.stringify(imports)};\n`);
    }
    const run = await execa("npm", ["run", "--silent", "check:imports"], { cwd: copy, reject: false, all: true });
    expect(run.exitCode, run.all).not.to.equal(0);
    for (const [rule, file] of FORBIDDEN) {
      const lines = (run.all ?? "").split("\n").map((line) => line.replace(/^\s*error\s+/, ""));
      expect(
        lines.some((line) => rule.test(line) && line.includes(file)),
        `${rule.source} in ${run.all}`,
      ).to.equal(true);
    }
    const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
      scripts: Record<string, string>;
    };
    expect(scripts["check"]).to.contain("npm run --silent check:imports");
  });

  it("has a rule for every room, and every folder of the program is a room", async () => {
    const { stdout } = await execa("git", ["ls-files", "*.ts"], { cwd: ROOT });
    const folders = new Set(stdout.split("\n").map((path) => path.split("/")[0] ?? ""));
    expect([...folders].filter((folder) => folder !== "test")).to.have.members(PROGRAM);
  });
});

describe("the picture of the rooms", () => {
  const arrows = [
    ["a", "b"],
    ["b", "c"],
    ["a", "c"],
  ] as const;

  it("leaves out what a chain of others says already", () =>
    expect(withoutShortcuts(arrows)).to.deep.equal([
      ["a", "b"],
      ["b", "c"],
    ]));

  it("draws rooms by floor, and says what each holds and may import", () => {
    const rooms = [
      { floor: 1, room: "a", holds: "the top", imports: "below" as const },
      { floor: 0, room: "b", holds: "the ground", imports: [] },
      { room: "c", holds: "something beside", imports: ["b"] },
    ];
    const text = picture({ rooms, steps: [{ step: "x", imports: ["y"] }] }, [["a", "b"]]);
    expect(text).to.contain('  a["a/"]\n  b["b/"]\n  a --> b\n');
    expect(text).to.contain("| 0 | `b/` | the ground | nothing of ours |");
    expect(text).to.contain("| - | `c/` | something beside | b |");
    expect(text).to.contain("- `x` uses `y`");
  });

  it("keeps the rest of the page, and says what a page lacks", () => {
    const page =
      "before\n<!-- Rooms: generated by node --import tsx scripts/architecture.ts -->\nold\n<!-- End of what is generated -->\nafter\n";
    expect(withPicture(page, "new")).to.equal(page.replace("old", "\nnew\n"));
    expect(() => withPicture("nothing", "new")).to.throw("lacks the lines");
  });
});

/** Installed packages and what runs left behind stay out of the copy. */
function isSource(path: string): boolean {
  return !/\/(node_modules|\.sandbox)(\/|$)/.test(path);
}
