import { LanguageRuntimeService } from "@pulumi/pulumi/proto/language_grpc_pb";
import { Children } from "./children";
import { serve } from "../shared/grpc";
import { languageHost } from "./host";
import { dieWithParent } from "../shared/lifetime";

/**
 * Entry of `pulumi-language-nodejs`: the engine passes flags and, last, its own address; it reads our port from stdout.
 */
async function main(): Promise<void> {
  const children = new Children();
  dieWithParent(() => children.killAll());
  const engineAddress = process.argv.at(-1) ?? "";
  const { port } = await serve(LanguageRuntimeService, languageHost(engineAddress, children));
  console.log(port);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
