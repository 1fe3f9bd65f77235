import * as fs from "node:fs";
import * as path from "node:path";

/** The programs the sandbox and the tests run. */
export const TOOL_NAMES = [
  "pulumi",
  "helm",
  "kubectl",
  "etcd",
  "kube-apiserver",
  "kube-controller-manager",
  "kube-scheduler",
  "kwok",
  "kwokctl",
  "crdify",
  "pulumi-language-yaml",
  "pulumi-language-python",
  "pilot-discovery",
  "rollouts-controller",
  "helm4",
  "actionlint",
  "versitygw",
] as const;
export type ToolName = (typeof TOOL_NAMES)[number];

/** How one program is recognised, downloaded and built. The version comes from the go.mod, so each pin stands once. */
export interface ToolSpec {
  name: ToolName;
  /** Arguments that print the version of a binary found on PATH. */
  versionArgs: readonly string[];
  /** Whether another version than the pinned one will do. */
  fits(found: Version, pinned: Version): boolean;
  /** Folder beside this file that holds go.mod and go.sum. */
  moduleDir: string;
  /** Module whose required version is the tool's version. */
  module: string;
  /** Package that is built. */
  package: string;
  /** Linker `-X` settings that make the binary report its version. */
  linkerVariables(version: string): readonly string[];
  /**
   * Corrections to the module's source, made when it is built; a tool with corrections is neither taken from PATH nor
   * downloaded.
   */
  corrections?: readonly Correction[];
  /** Files of a program of our own, in the folder of its go.mod; it is neither taken from PATH nor downloaded. */
  ownSources?: readonly string[];
  /** The project's own release; undefined where none with a published SHA-256 exists. */
  download?(version: string, platform: Platform): Download;
}

/** One change to a file of the module: a text replaced in it, or a file of ours added. */
export type Correction = { file: string } & ({ find: string; replace: string } | { add: string });

export interface Download {
  url: string;
  /** A file with the SHA-256 of `url`: the bare digest, or lines of digest and file name. */
  checksumUrl: string;
  /** Path of the binary inside the .tar.gz; undefined when `url` is the binary itself. */
  member?: string;
}

/** In the words of Go: `linux`/`darwin`, `amd64`/`arm64`. */
export interface Platform {
  os: string;
  arch: string;
}

export type Version = readonly [major: number, minor: number, patch: number];

/** First `1.2.3` in a text, a leading `v` or words around it allowed; undefined when there is none. */
export function parseVersion(text: string): Version | undefined {
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(text);
  return match ? [Number(match[1]), Number(match[2]), Number(match[3])] : undefined;
}

export function currentPlatform(): Platform {
  return { os: process.platform, arch: process.arch === "x64" ? "amd64" : process.arch };
}

const exactly = (found: Version, pinned: Version) => found.every((part, index) => part === pinned[index]);
const sameMinor = (found: Version, pinned: Version) => found[0] === pinned[0] && found[1] === pinned[1];
// kubectl supports API servers one minor version older or newer than itself.
const minorWithinOne = (found: Version, pinned: Version) =>
  found[0] === pinned[0] && Math.abs(found[1] - pinned[1]) <= 1;

const kubernetesVariables = (version: string) => {
  const [major, minor] = parseVersion(version) ?? [0, 0];
  const prefix = "k8s.io/component-base/version";
  return [`${prefix}.gitVersion=${version}`, `${prefix}.gitMajor=${major}`, `${prefix}.gitMinor=${minor}`];
};

function kubernetesTool(name: ToolName, versionArgs: readonly string[], fits: ToolSpec["fits"]): ToolSpec {
  return {
    name,
    versionArgs,
    fits,
    moduleDir: "kubernetes",
    module: "k8s.io/kubernetes",
    package: `k8s.io/kubernetes/cmd/${name}`,
    linkerVariables: kubernetesVariables,
    download: (version, { os, arch }) => {
      const url = `https://dl.k8s.io/release/${version}/bin/${os}/${arch}/${name}`;
      return { url, checksumUrl: `${url}.sha256` };
    },
  };
}

/**
 * `kubectl exec` on simulated pods: kwok 0.7 does not close a local command's input when kubectl's ends, so that a
 * command that reads to the end hangs, and turns every exit code into an internal error.
 */
const KWOK_EXEC: readonly Correction[] = [
  {
    file: "pkg/utils/exec/exec.go",
    find: "_, _ = io.Copy(inPipe, opt.In)",
    replace: "_, _ = io.Copy(inPipe, opt.In); _ = inPipe.Close()",
  },
  {
    file: "pkg/kwok/server/debugging_exec.go",
    find: "err := exec.Exec(ctx, cmd[0], cmd[1:]...)",
    replace: "err := withExitStatus(exec.Exec(ctx, cmd[0], cmd[1:]...))",
  },
  { file: "pkg/kwok/server/exit_status.go", add: "corrections/exit_status.go" },
];

function kwokTool(name: "kwok" | "kwokctl"): ToolSpec {
  return {
    name,
    versionArgs: ["--version"],
    fits: exactly,
    moduleDir: "kwok",
    module: "sigs.k8s.io/kwok",
    package: `sigs.k8s.io/kwok/cmd/${name}`,
    linkerVariables: (version) => [`sigs.k8s.io/kwok/pkg/consts.Version=${version}`],
    corrections: name === "kwok" ? KWOK_EXEC : undefined,
  };
}

/** What every sandbox needs. */
export const TOOLS: readonly ToolSpec[] = [
  {
    name: "pulumi",
    versionArgs: ["version"],
    // The embedded plugins speak the protocol of the SDK in package.json, and the CLI is released together with it.
    fits: sameMinor,
    moduleDir: "pulumi",
    module: "github.com/pulumi/pulumi/pkg/v3",
    package: "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",
    linkerVariables: (version) => [`github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${version}`],
    download: (version, { os, arch }) => {
      const base = `https://github.com/pulumi/pulumi/releases/download/${version}`;
      return {
        url: `${base}/pulumi-${version}-${os}-${arch === "amd64" ? "x64" : arch}.tar.gz`,
        checksumUrl: `${base}/pulumi-${version.replace(/^v/, "")}-checksums.txt`,
        member: "pulumi/pulumi",
      };
    },
  },
  {
    name: "helm",
    versionArgs: ["version", "--short"],
    fits: ([major, minor]) => major === 3 && minor >= 14,
    moduleDir: "helm",
    module: "helm.sh/helm/v3",
    package: "helm.sh/helm/v3/cmd/helm",
    linkerVariables: (version) => [`helm.sh/helm/v3/internal/version.version=${version}`],
    download: (version, { os, arch }) => {
      const url = `https://get.helm.sh/helm-${version}-${os}-${arch}.tar.gz`;
      return { url, checksumUrl: `${url}.sha256sum`, member: `${os}-${arch}/helm` };
    },
  },
  kubernetesTool("kubectl", ["version", "--client"], minorWithinOne),
  {
    name: "etcd",
    versionArgs: ["--version"],
    fits: sameMinor,
    moduleDir: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    package: "go.etcd.io/etcd/server/v3",
    linkerVariables: () => [],
    // etcd publishes .tar.gz archives for Linux only; elsewhere the download fails and the build follows.
    download: (version, { os, arch }) => {
      const base = `https://github.com/etcd-io/etcd/releases/download/${version}`;
      const folder = `etcd-${version}-${os}-${arch}`;
      return { url: `${base}/${folder}.tar.gz`, checksumUrl: `${base}/SHA256SUMS`, member: `${folder}/etcd` };
    },
  },
  kubernetesTool("kube-apiserver", ["--version"], exactly),
  kubernetesTool("kube-controller-manager", ["--version"], exactly),
  kubernetesTool("kube-scheduler", ["--version"], exactly),
  kwokTool("kwok"),
  kwokTool("kwokctl"),
];

/** What single tests compare with: made when such a test runs, so that nobody else waits for it. */
export const TEST_TOOLS: readonly ToolSpec[] = [
  {
    name: "crdify",
    versionArgs: ["version"],
    fits: exactly,
    moduleDir: "crdify",
    module: "sigs.k8s.io/crdify",
    package: "sigs.k8s.io/crdify",
    linkerVariables: () => [],
  },
];

/** Language hosts by which the tests run programs that use the package; Node's is among the embedded plugins. */
export const LANGUAGE_HOSTS: readonly ToolSpec[] = [
  {
    name: "pulumi-language-yaml",
    versionArgs: ["-version"],
    fits: exactly,
    moduleDir: "pulumi-yaml",
    module: "github.com/pulumi/pulumi-yaml",
    package: "github.com/pulumi/pulumi-yaml/cmd/pulumi-language-yaml",
    linkerVariables: (version) => [`github.com/pulumi/pulumi-yaml/pkg/version.Version=${version}`],
  },
  {
    name: "pulumi-language-python",
    versionArgs: [],
    fits: exactly,
    moduleDir: "pulumi",
    module: "github.com/pulumi/pulumi/pkg/v3",
    package: "./python",
    ownSources: ["python/main.go", "python/run.py"],
    linkerVariables: (version) => [`github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${version}`],
  },
];

/** Checks the example workflows; built in 10 s. */
export const ACTIONLINT: ToolSpec = {
  name: "actionlint",
  versionArgs: ["-version"],
  fits: exactly,
  moduleDir: "actionlint",
  module: "github.com/rhysd/actionlint",
  package: "github.com/rhysd/actionlint/cmd/actionlint",
  linkerVariables: () => [],
};

/** An S3 server on a folder, for the tests of what is kept in buckets; built in a minute. */
export const VERSITYGW: ToolSpec = {
  name: "versitygw",
  versionArgs: ["--version"],
  fits: exactly,
  moduleDir: "versitygw",
  module: "github.com/versity/versitygw",
  package: "github.com/versity/versitygw/cmd/versitygw",
  linkerVariables: (version) => [`main.Version=${version}`],
};

/**
 * Istio's control plane, whose injector the tests of the restarts ask. A build takes 7 minutes of processor time, so it
 * is made for those only who say so; see `toolIfBuilt` in sandbox/tools.ts.
 */
export const ISTIOD: ToolSpec = {
  name: "pilot-discovery",
  versionArgs: ["version"],
  fits: exactly,
  moduleDir: "istiod",
  module: "istio.io/istio",
  package: "istio.io/istio/pilot/cmd/pilot-discovery",
  linkerVariables: () => [],
};

/**
 * Argo's controller of Rollouts, which the tests of the restarts have restart pods. Made for those only who say so, as
 * {@link ISTIOD} is.
 */
export const ROLLOUTS: ToolSpec = {
  name: "rollouts-controller",
  versionArgs: ["--version"],
  fits: exactly,
  moduleDir: "rollouts",
  module: "github.com/argoproj/argo-rollouts",
  package: "github.com/argoproj/argo-rollouts/cmd/rollouts-controller",
  linkerVariables: (version) => [`github.com/argoproj/argo-rollouts/utils/version.version=${version}`],
};

/**
 * The next major version of helm, which users may have on PATH or have installed their release with. Made for those
 * only who say so, as {@link ISTIOD} is.
 */
export const HELM4: ToolSpec = {
  name: "helm4",
  versionArgs: ["version", "--short"],
  fits: exactly,
  moduleDir: "helm4",
  module: "helm.sh/helm/v4",
  package: "helm.sh/helm/v4/cmd/helm",
  linkerVariables: (version) => [`helm.sh/helm/v4/internal/version.version=${version}`],
};

/** The folder with the tool's go.mod. */
export function moduleDir(spec: ToolSpec): string {
  return path.join(__dirname, spec.moduleDir);
}

/**
 * The version the tool's go.mod requires, with the leading `v`.
 * @throws when the go.mod does not require the module.
 */
export function pinnedVersion(spec: ToolSpec): string {
  const file = path.join(moduleDir(spec), "go.mod");
  const escaped = spec.module.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const match = new RegExp(`^\\s*(?:require\\s+)?${escaped}\\s+(v\\S+)`, "m").exec(fs.readFileSync(file, "utf8"));
  if (!match?.[1])
    throw new Error(`${file} does not require ${spec.module}, so the version of ${spec.name} is not known`);
  return match[1];
}

/** The Go build of a tool, fully determined by the specification and its pinned version. */
export function buildArguments(spec: ToolSpec): readonly string[] {
  const variables = spec.linkerVariables(pinnedVersion(spec)).map((setting) => `-X ${setting}`);
  return ["build", "-trimpath", "-ldflags", ["-s", "-w", ...variables].join(" ")];
}
