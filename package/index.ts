/** What the npm package gives to a Pulumi program. */
export { CasaUpgrade } from "../upgrade/casa-upgrade";
export type { CasaUpgradeResults } from "../upgrade/casa-upgrade";
export type * from "../config/upgrade-args";
