import { detailedDiff, toDiffResult } from "../shared/diff";
import { serveProvider } from "../shared/provider";
import { type ProviderSettings, readSettings, replacingArguments } from "./access";
import { ProviderApi } from "./api";
import { createReleaseHandler } from "./release";
import { ObjectHandler } from "./resources";

const RELEASE = "kubernetes:helm.sh/v3:Release";

/** What the provider has once it is configured. */
interface Configured {
  objects: ObjectHandler;
  release: ReturnType<typeof createReleaseHandler>;
}

let configured: Configured | undefined;

async function configure(settings: ProviderSettings): Promise<Configured> {
  const api = new ProviderApi(settings.access);
  // As the official provider: an unreachable cluster fails updates and imports, a preview of new resources goes on.
  await api.request("GET", "/version").catch((error: unknown) => {
    settings.access.unreachable ??=
      error instanceof Error ? error.message.replace(/^.*unreachable: /, "") : String(error);
  });
  return { objects: new ObjectHandler(api, settings), release: createReleaseHandler(settings.access) };
}

serveProvider({
  name: "kubernetes",
  version: "4.34.2",
  diffConfig: (olds, news) => {
    const replacing = replacingArguments(olds, news);
    return toDiffResult(detailedDiff(olds, news), (path) => replacing.includes(path));
  },
  configure: async (args) => {
    configured = await configure(readSettings(args));
  },
  handlerFor: (type) => {
    if (!configured) throw new Error("the kubernetes plugin was used before it was configured");
    return type === RELEASE ? configured.release : configured.objects;
  },
}).catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
