import * as fs from "node:fs";
import * as path from "node:path";
import execa from "execa";

import { BIN_DIR } from "../paths";
import { stopPostgres } from "../postgres";
import { isAlive, killClusterProcesses, readPid } from "./processes";
import { readState } from "./state";

/** Where the controller manager's host-path provisioner makes its folders; the path is fixed in its source. */
const HOST_PATH_ROOT = "/tmp/hostpath_pv";

/** Folders of the volumes the cluster provisioned. Best effort: empty when the API server does not answer. */
async function volumeFolders(dir: string): Promise<string[]> {
  const apiServer = readPid(path.join(dir, "pids", "kube-apiserver.pid"));
  if (!apiServer || !isAlive(apiServer)) return [];
  try {
    const { stdout } = await execa(
      path.join(BIN_DIR, "kubectl"),
      [
        ...["--kubeconfig", path.join(dir, "kubeconfig.yaml"), "--request-timeout=2s"],
        ...["get", "pv", "-o", 'jsonpath={range .items[*]}{.spec.hostPath.path}{"\\n"}{end}'],
      ],
      { timeout: 3_000 },
    );
    return stdout.split("\n").filter((folder) => path.dirname(folder) === HOST_PATH_ROOT);
  } catch {
    return [];
  }
}

/** Ends every process of the cluster in `dir` and removes all its files. Can be repeated. */
export async function destroyCluster(dir: string): Promise<void> {
  const folders = await volumeFolders(dir);
  const postgresDir = readState(dir)?.postgresDir;
  if (postgresDir) await stopPostgres(postgresDir);
  await killClusterProcesses(dir);
  for (const folder of [dir, ...folders]) {
    await fs.promises.rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}
