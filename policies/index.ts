import { PolicyPack } from "@pulumi/policy";
import { allPolicies } from "./all";

/** Blocks unsafe upgrades of a CASA runtime, at preview: `pulumi preview --policy-pack policies`. */
new PolicyPack("casa-upgrade", { policies: allPolicies });
