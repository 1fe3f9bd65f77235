import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import execa from "execa";
import { parse } from "yaml";
import { z } from "zod";
import { ROOT, type World } from "./world";

const workflow = z.looseObject({
  jobs: z.record(
    z.string(),
    z.looseObject({ steps: z.array(z.looseObject({ name: z.string().optional(), run: z.string().optional() })) }),
  ),
});
const gitlabJob = z.looseObject({ script: z.array(z.string()) });

/** The `run` of a step in one of the example workflows. */
export function githubStep(file: string, job: string, step: string): string {
  const { jobs } = workflow.parse(parse(readFileSync(join(ROOT, "docs/examples/github", file), "utf8")));
  const run = jobs[job]?.steps.find(({ name }) => name === step)?.run;
  if (run === undefined) throw new Error(`${file} has no step ${job}/${step}`);
  return run;
}

/** The `script` of a job in the GitLab example. */
export function gitlabScript(job: string): string {
  const text = readFileSync(join(ROOT, "docs/examples/gitlab/.gitlab-ci.yml"), "utf8");
  const jobs = z.record(z.string(), z.unknown()).parse(parse(text));
  return gitlabJob.parse(jobs[job]).script.join("\n");
}

/** A runner: a checkout, an environment, and what the steps before left in it. */
export class Runner {
  private env: NodeJS.ProcessEnv;
  readonly temporary: string;

  constructor(
    private readonly world: World,
    name: string,
    env: NodeJS.ProcessEnv = {},
  ) {
    this.temporary = join(world.scratch, `runner-${name}`);
    mkdirSync(this.temporary, { recursive: true });
    const { KUBECONFIG: _mine, ...plain } = world.engine.environment;
    this.env = { ...plain, RUNNER_TEMP: this.temporary, STACK: world.stack, ...env };
    for (const variable of ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"]) {
      this.env[variable] = join(this.temporary, variable);
      writeFileSync(this.env[variable] ?? "", "");
    }
  }

  /** Runs one step as the runners do: in the checkout, in bash that stops at the first failure. */
  async run(script: string, env: NodeJS.ProcessEnv = {}): Promise<{ code: number; text: string }> {
    const { exitCode, all } = await execa("bash", ["--noprofile", "--norc", "-eo", "pipefail", "-c", script], {
      cwd: this.world.engine.projectDirectory,
      env: { ...this.env, ...env },
      extendEnv: false,
      reject: false,
      all: true,
    });
    for (const line of this.left("GITHUB_ENV").split("\n").filter(Boolean)) {
      const [name = "", ...value] = line.split("=");
      this.env[name] = value.join("=");
    }
    return { code: exitCode, text: all ?? "" };
  }

  /** What the steps wrote into one of GitHub's files. */
  left(variable: string): string {
    return readFileSync(join(this.temporary, variable), "utf8");
  }

  /** Where a step finds a program of the test's own. */
  putOnPath(folder: string): void {
    this.env["PATH"] = `${folder}:${this.env["PATH"] ?? ""}`;
  }
}

/** `gh api` for the comments of one pull request, which are kept in a file. */
export const FAKE_GH = `#!/usr/bin/env node
const fs = require("node:fs");
const { execFileSync } = require("node:child_process");
const args = process.argv.slice(2);
const file = process.env.COMMENTS;
const comments = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : [];
const after = (flag) => (args.includes(flag) ? args[args.indexOf(flag) + 1] : undefined);
const path = args.find((arg) => arg.startsWith("repos/"));
const body = after("-F") && fs.readFileSync(after("-F").replace("body=@", ""), "utf8");
const method = after("--method");
if (!method && /^repos\\/o\\/r\\/issues\\/7\\/comments$/.test(path)) {
  process.stdout.write(execFileSync("jq", ["--raw-output", after("--jq")], { input: JSON.stringify(comments) }));
} else if (method === "POST" && /^repos\\/o\\/r\\/issues\\/7\\/comments$/.test(path)) {
  comments.push({ id: comments.length + 100, body });
} else if (method === "PATCH") {
  comments.find(({ id }) => String(id) === path.split("/").pop()).body = body;
} else throw new Error("gh " + args.join(" "));
if (method) fs.writeFileSync(file, JSON.stringify(comments));
`;

/** The comments that {@link FAKE_GH} keeps. */
export function commentsIn(file: string): string[] {
  if (!existsSync(file)) return [];
  const comments = z.array(z.object({ body: z.string() })).parse(JSON.parse(readFileSync(file, "utf8")));
  return comments.map(({ body }) => body);
}

/** GitLab's notes of one merge request. */
export class Notes {
  readonly bodies: string[] = [];
  private constructor(private readonly server: Server) {}

  static async open(): Promise<Notes> {
    const server = createServer();
    const notes = new Notes(server);
    server.on("request", (request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const body = new URLSearchParams(Buffer.concat(chunks).toString()).get("body") ?? "";
        const [, id] = /^\/projects\/5\/merge_requests\/7\/notes(?:\/(\d+))?(?:\?.*)?$/.exec(request.url ?? "") ?? [];
        if (request.headers["private-token"] !== "secret") response.statusCode = 401;
        else if (request.method === "POST") notes.bodies.push(body);
        else if (request.method === "PUT") notes.bodies[Number(id)] = body;
        response.end(JSON.stringify(notes.bodies.map((text, at) => ({ id: at, body: text }))));
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    return notes;
  }

  get environment(): NodeJS.ProcessEnv {
    const { port } = this.server.address() as AddressInfo;
    return {
      CI_API_V4_URL: `http://127.0.0.1:${port}`,
      ...{ CI_PROJECT_ID: "5", CI_MERGE_REQUEST_IID: "7", NOTES_TOKEN: "secret" },
    };
  }

  close(): void {
    this.server.close();
  }
}
