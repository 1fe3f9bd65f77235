import { UnreachableError } from "../../../kubernetes/api";
import { connectForWriting } from "../../../kubernetes/connect";
import { messageOf, runHelperProgram } from "../../../shared/helper-program";
import { type CrMigrationResult, customResourcesJob } from "../job";
import { migrateCustomResources } from "./run";

/**
 * Migrates the objects of CRDs, one CRD after the other; the result says what was done for each. An empty list does
 * nothing.
 */
runHelperProgram("migration-program.ts", {
  job: customResourcesJob,
  run: async (context, { migrations }) => {
    const client = await connectForWriting({ context, timeoutSeconds: 30 });
    const done: CrMigrationResult[] = [];
    for (const one of migrations) done.push(await migrateCustomResources(client, one, (line) => console.error(line)));
    return done;
  },
  failure: (error) => {
    const gone = "\n  Fix: when the API server answers again: pulumi up; it goes on where this ended";
    const why = messageOf(error) + (error instanceof UnreachableError ? gone : "");
    return `the custom resources are not migrated, so nothing was upgraded: ${why}`;
  },
});
