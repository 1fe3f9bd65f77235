import { connectForWriting } from "../../../kubernetes/connect";
import { messageOf, runHelperProgram } from "../../../shared/helper-program";
import { backupJob } from "../job";
import { backUp } from "./run";

/** Makes and verifies the backups of a job; the result are the backups. A job without databases does nothing. */
runHelperProgram("backup-program.ts", {
  job: backupJob,
  run: async (context, job) => {
    const client = await connectForWriting({ context, timeoutSeconds: 30 });
    return backUp(client, job, (line) => console.error(line));
  },
  failure: (error) => `no verified backup, so nothing was upgraded: ${messageOf(error)}`,
});
