import { UnreachableError } from "../../../kubernetes/api";
import { connectForWriting } from "../../../kubernetes/connect";
import { messageOf, runHelperProgram } from "../../../shared/helper-program";
import { crdsJob, unpack } from "../job";
import { writeCrd } from "./write";

/** Writes the large CRDs that this run changes, one after the other. */
runHelperProgram("crds-program.ts", {
  job: crdsJob,
  run: async (context, { manifests }) => {
    const crds = unpack(manifests);
    if (crds.length === 0) return undefined;
    const client = await connectForWriting({ context, timeoutSeconds: 30, requestSeconds: 60 });
    for (const crd of crds) console.error(`CRD ${crd.metadata.name} ${await writeCrd(client, crd)}`);
    return undefined;
  },
  failure: (error) => {
    const gone = "\n  Fix: when the API server answers again: pulumi up; it goes on where this ended";
    return `the chart was not upgraded: ${messageOf(error)}${error instanceof UnreachableError ? gone : ""}`;
  },
});
