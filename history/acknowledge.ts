import { lt, valid } from "semver";

/** Policies against going back as such: no rollback to an older version could pass them. */
const ABOUT_GOING_BACK = ["version-steps", "crds-compatible"];

/**
 * What a rollback acknowledges, for today only. Who types `rollback` has said that the version goes back, and with it
 * the CRDs; which objects lose data by that is judged apart, and refused. A policy pack may still forbid
 * acknowledgements.
 *
 * @param from installed version, @param to version after the rollback; undefined: not known.
 */
export function acknowledgements(
  from: string | undefined,
  to: string | undefined,
  update: number,
  today: Date,
): Record<string, string> {
  const back = from === undefined || to === undefined || !valid(from) || !valid(to) || lt(to, from);
  const text = `${today.toISOString().slice(0, 10)} rollback to update ${update}`;
  return back ? Object.fromEntries(ABOUT_GOING_BACK.map((policy) => [policy, text])) : {};
}
