import * as path from "node:path";
import { InitError, type OperationContext, type Properties, type ResourceHandler, UNKNOWN } from "../shared/handler";
import { hasUnknowns } from "../shared/values";
import type { ClusterAccess } from "./access";
import { guessChart, lintChart, locateChart, readChart } from "./release-chart";
import { releaseDiff } from "./release-diff";
import { HelmCli, HelmError, type HelmSession, isNotFound, type LiveRelease } from "./release-helm";
import { checkInputs, DEFAULT_TIMEOUT_SECONDS, parseInputs, type ReleaseInputs } from "./release-inputs";
import { reportRollout } from "./release-progress";
import { releaseState } from "./release-state";

/**
 * The resource `kubernetes:helm.sh/v3:Release`, through the helm CLI. Follows the official provider, rough edges
 * included: a preview loads the chart but contacts no cluster, and an upgrade never touches `crds/`.
 */
export function createReleaseHandler(cluster: ClusterAccess): ResourceHandler {
  return new ReleaseHandler(cluster, new HelmCli(cluster));
}

class ReleaseHandler implements ResourceHandler {
  constructor(
    private readonly cluster: ClusterAccess,
    private readonly helm: HelmCli,
  ) {}

  async check(ctx: OperationContext, olds: Properties | undefined, news: Properties) {
    const checked = checkInputs(news, olds, ctx.urn, this.defaultNamespace());
    if (checked.inputs["allowNullValues"] === true) {
      ctx.warn("`allowNullValues` has no effect: null values are kept in any case");
    }
    if (checked.failures.length > 0 || hasUnknowns(checked.inputs)) return checked;
    const inputs = parseInputs(checked.inputs);
    try {
      const chart = await this.helm.session((session) => readChart(session, inputs));
      // The exact version, so that a newer chart behind a range (or in a folder) is seen as a change.
      return { inputs: { ...checked.inputs, version: chart.version }, failures: [] };
    } catch (error) {
      const reason = `${messageOf(error)}; check the chart name and repository configuration.`;
      return { inputs: checked.inputs, failures: [{ property: "chart", reason }] };
    }
  }

  diff(
    _ctx: OperationContext,
    _id: string,
    oldInputs: Properties,
    oldState: Properties,
    news: Properties,
    ignoreChanges: string[],
  ) {
    return Promise.resolve(releaseDiff(oldInputs, oldState, news, ignoreChanges));
  }

  async create(ctx: OperationContext, inputs: Properties) {
    if (ctx.preview) return { id: "", state: previewed(inputs) };
    if (this.cluster.unreachable) {
      throw new Error(`can't create Helm Release with unreachable cluster: ${this.cluster.unreachable}`);
    }
    const release = parseInputs(inputs);
    const id = `${release.namespace}/${release.name}`;
    const live = await this.apply(ctx, release, "install", (cause, failed) => {
      ctx.warn(
        `Helm release "${release.name}" was created but has a failed status. ` +
          `Use the \`helm\` command to investigate the error, correct it, then retry. Reason: ${cause}`,
      );
      const reason =
        `Helm release "${id}" was created, but failed to initialize completely. Use Helm CLI to investigate: ` +
        notAvailable(id, cause);
      return new InitError(id, releaseState(inputs, failed), inputs, [reason]);
    });
    return { id, state: releaseState(inputs, live) };
  }

  async update(ctx: OperationContext, id: string, _oldInputs: Properties, _oldState: Properties, inputs: Properties) {
    if (ctx.preview) return { state: previewed(inputs) };
    if (this.cluster.unreachable) {
      throw new Error(`can't update Helm Release with unreachable cluster: ${this.cluster.unreachable}`);
    }
    const release = parseInputs(inputs);
    const live = await this.apply(ctx, release, "upgrade", (cause, failed) => {
      const reason =
        `Helm release "${id}" failed to initialize completely. Use Helm CLI to investigate: ` +
        `error running update: ${notAvailable(id, cause)}`;
      return new InitError(id, releaseState(inputs, failed), inputs, [reason]);
    });
    return { state: releaseState(inputs, live) };
  }

  async read(ctx: OperationContext, id: string, inputs: Properties, state: Properties) {
    if (this.cluster.unreachable) {
      ctx.warn(`configured Kubernetes cluster is unreachable: ${this.cluster.unreachable}`);
      throw new Error(`failed to read resource state due to unreachable cluster: ${this.cluster.unreachable}`);
    }
    const [namespace, name] = whichRelease(id, state);
    const live = await this.helm.release(name, namespace || this.defaultNamespace());
    if (!live) return undefined;
    if (Object.keys(state).length > 0) return { id, inputs, state: releaseState(state, live) };
    const imported = await this.importedInputs(live);
    return { id, inputs: imported, state: releaseState(imported, live) };
  }

  async delete(ctx: OperationContext, id: string, _inputs: Properties, state: Properties): Promise<void> {
    const [namespace, name] = whichRelease(id, state);
    const command = ["uninstall", name];
    if (state["atomic"] === true || state["skipAwait"] !== true) {
      command.push("--wait", "--timeout", seconds(Number(state["timeout"])));
    }
    try {
      await this.helm.session((session) =>
        session.onCluster(namespace || this.defaultNamespace(), command, { signal: ctx.signal }),
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
  }

  /**
   * Installs or upgrades and resolves to the new revision.
   *
   * @throws what `failed` makes of it when helm recorded a revision that did not succeed; HelmError when it refused to
   * begin.
   */
  private async apply(
    ctx: OperationContext,
    release: ReleaseInputs,
    operation: "install" | "upgrade",
    failed: (cause: string, revision: LiveRelease) => InitError,
  ): Promise<LiveRelease> {
    const { name, namespace } = release;
    const finished = new AbortController();
    const started = new Date();
    try {
      await this.helm.session(async (session) => {
        const command = await this.command(session, release, operation);
        if (!release.skipAwait) void reportRollout(this.cluster, release, (line) => ctx.status(line), finished.signal);
        return session.onCluster(namespace, command, { input: valuesText(release), signal: ctx.signal });
      });
    } catch (error) {
      finished.abort();
      if (!(error instanceof HelmError)) throw error;
      const revision = await this.helm.failedSince(name, namespace, started);
      throw revision ? failed(error.message, revision) : error;
    } finally {
      finished.abort();
    }
    const live = await this.helm.release(name, namespace);
    if (!live) throw new Error(`Helm release "${namespace}/${name}" is gone right after its ${operation}`);
    return live;
  }

  private async command(session: HelmSession, release: ReleaseInputs, operation: "install" | "upgrade") {
    const reference = await locateChart(session, release);
    if (operation === "upgrade" && release.lint) await lintChart(session, reference, valuesText(release));
    const common = [operation, release.name, reference.chart, ...reference.options, "--values", "-"];
    return [
      ...common,
      ...commonOptions(release),
      ...(operation === "install" ? installOptions : upgradeOptions)(release),
    ];
  }

  /**
   * The inputs that describe a release installed by someone else; options that leave no trace have their zero values.
   */
  private async importedInputs(live: LiveRelease): Promise<Properties> {
    return {
      ...parseInputs({ chart: await guessChart(this.helm, live.chart, live.version) }),
      name: live.name,
      namespace: live.namespace,
      values: live.values,
      version: live.version,
    };
  }

  private defaultNamespace(): string {
    const { kubeConfig, context, namespace } = this.cluster;
    const current = kubeConfig.getContextObject(context ?? kubeConfig.getCurrentContext());
    return namespace || current?.namespace || "default";
  }
}

/** What is known before the release exists: nothing that helm will decide. */
function previewed(inputs: Properties): Properties {
  return { ...inputs, resourceNames: UNKNOWN, status: UNKNOWN };
}

function commonOptions(release: ReleaseInputs): string[] {
  return options({
    "--wait": !release.skipAwait,
    "--wait-for-jobs": !release.skipAwait && release.waitForJobs,
    "--timeout": seconds(release.timeout),
    "--atomic": release.atomic,
    "--description": release.description,
    "--render-subchart-notes": release.renderSubchartNotes,
    // A bare name is looked up on PATH; helm itself does not run in the program's folder.
    "--post-renderer": release.postrender.includes("/") ? path.resolve(release.postrender) : release.postrender,
    "--dependency-update": release.dependencyUpdate,
    "--take-ownership": release.takeOwnership,
  });
}

function installOptions(release: ReleaseInputs): string[] {
  return options({
    "--skip-crds": release.skipCrds,
    "--create-namespace": release.createNamespace,
    "--replace": release.replace,
    "--no-hooks": release.disableWebhooks,
    "--disable-openapi-validation": release.disableOpenapiValidation,
  });
}

function upgradeOptions(release: ReleaseInputs): string[] {
  return options({
    // Helm's own default is 10; the official provider keeps all unless told.
    "--history-max": `${release.maxHistory ?? 0}`,
    "--no-hooks": release.disableCRDHooks,
    "--force": release.forceUpdate,
    "--recreate-pods": release.recreatePods,
    "--cleanup-on-fail": release.cleanupOnFail,
    "--reset-values": release.resetValues,
    "--reuse-values": release.reuseValues,
  });
}

function options(given: Record<string, boolean | string>): string[] {
  return Object.entries(given).flatMap(([name, value]) => {
    if (value === true) return [name];
    return value ? [name, value] : [];
  });
}

function seconds(timeout: number): string {
  return `${timeout || DEFAULT_TIMEOUT_SECONDS}s`;
}

/** JSON is YAML too, and needs no quoting rules. */
function valuesText(release: ReleaseInputs): string {
  return JSON.stringify(release.values);
}

function notAvailable(id: string, cause: string): string {
  return `failed to become available within allocated timeout. Error: Helm Release ${id}: ${cause}`;
}

/** Namespace and name: from the state when there is one, else from the id, whose namespace may be left out. */
function whichRelease(id: string, state: Properties): [string, string] {
  const { name, namespace } = state;
  if (typeof name === "string" && typeof namespace === "string") return [namespace, name];
  const [first = "", second] = id.split("/");
  return second === undefined ? ["", first] : [first, second];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
