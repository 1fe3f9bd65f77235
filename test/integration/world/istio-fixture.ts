import { type Tools, toolIfBuilt } from "../../../sandbox/tools";
import { ISTIOD } from "../../../sandbox/tools/catalog";

/** Istio's control plane for a test; skips the suite, and says so plainly, where it is not built. */
export async function istioOrSkip(context: Mocha.Context): Promise<Tools> {
  const istio = await toolIfBuilt(ISTIOD);
  if (istio) return istio;
  console.error(
    "\nNOT TESTED: what Istio's real injector does. istiod is not built; to build it (7 minutes of processor time, once): " +
      "CASA_UPGRADE_ISTIO=1 make setup\n",
  );
  return context.skip();
}
