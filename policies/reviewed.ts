import type { ResourceValidationPolicy } from "@pulumi/policy";
import { CHARTS, releaseOf } from "./release";
import { LIMITS } from "./rule";

/** Says what stays unsaid: a rule that cannot look must not look like one that has passed. */
export const casaReleaseReviewed: ResourceValidationPolicy = {
  name: "casa-release-reviewed",
  description:
    "A CASA runtime is upgraded by CasaUpgrade, which reads chart and cluster; of a bare Release the pack sees inputs only.",
  enforcementLevel: "advisory",
  configSchema: { properties: CHARTS },
  validateResource: (args, report) => {
    const release = releaseOf(args, args.getConfig<{ charts: string[] }>().charts);
    if (!release) return;
    const lines = [...LIMITS].map(([policy, what]) => `    ${policy}: ${what}`);
    report(
      `Release ${release.name} is a CASA runtime without CasaUpgrade. These policies cannot judge:\n${lines.join("\n")}\n` +
        "  Why it matters: what they look for may be there all the same.\n" +
        "  Fix: define the runtime with CasaUpgrade, or check these by hand",
    );
  },
};
