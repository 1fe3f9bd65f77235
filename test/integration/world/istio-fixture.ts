import { type Tools, toolIfBuilt } from "../../../sandbox/tools";
import { ISTIOD, ROLLOUTS, type ToolSpec } from "../../../sandbox/tools/catalog";

/** Istio's control plane for a test; skips the suite, and says so plainly, where it is not built. */
export function istioOrSkip(context: Mocha.Context): Promise<Tools> {
  return builtOrSkip(context, ISTIOD, "Istio's real injector");
}

/** Argo's controller of Rollouts for a test; skips as above. */
export function rolloutsOrSkip(context: Mocha.Context): Promise<Tools> {
  return builtOrSkip(context, ROLLOUTS, "Argo's real controller of Rollouts");
}

async function builtOrSkip(context: Mocha.Context, spec: ToolSpec, what: string): Promise<Tools> {
  const built = await toolIfBuilt(spec);
  if (built) return built;
  console.error(
    `\nNOT TESTED: what ${what} does. ${spec.name} is not built; to build it (minutes of processor time, once): ` +
      "CASA_UPGRADE_ISTIO=1 make setup\n",
  );
  return context.skip();
}
