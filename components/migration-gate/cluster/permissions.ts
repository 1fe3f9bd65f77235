import type { GateSettings } from "../settings";
import type { ClusterClient } from "../../../kubernetes/connect";
import { missingPermissions, type Permission, permissionProblem, podStream } from "../../../kubernetes/permissions";

/** What the gate needs in one namespace; `must` when the config asks for it, so that nothing else would do. */
interface Need {
  permissions: Permission[];
  must: boolean;
  /** What is missing without it, in words. */
  without: string;
}

/**
 * Asks for the permissions of the gate: what the config asks for is refused without them, the rest is left out with a
 * warning.
 *
 * @throws UserError with a role that grants what is missing.
 */
export async function checkGatePermissions(client: ClusterClient, settings: GateSettings): Promise<string[]> {
  const needs = gateNeeds(settings);
  const missing = await missingPermissions(
    client,
    needs.flatMap(({ permissions }) => permissions),
  );
  const lacking = needs.filter(({ permissions }) => permissions.some((one) => missing.includes(one)));
  const problem = permissionProblem(
    lacking.filter(({ must }) => must).flatMap(({ permissions }) => permissions.filter((one) => missing.includes(one))),
    client.context,
  );
  if (problem) throw problem;
  return lacking.map(({ permissions, without }) => {
    const { namespace, resource, subresource } = permissions[0] as Permission;
    const verbs = permissions.map(({ verb }) => verb).join(" and ");
    return `missing permission to ${verbs} ${resource}/${subresource ?? ""} in namespace ${namespace ?? ""}: ${without}`;
  });
}

/** The permissions by what they are for. */
export function gateNeeds({ deployment, database, probe, expected }: GateSettings): Need[] {
  return [
    {
      permissions: [{ verb: "get", group: "", resource: "pods", subresource: "log", namespace: deployment.namespace }],
      must: false,
      without: "logs are not looked at, and an upgrade that fails cannot show the lines about the migration",
    },
    ...(database
      ? [
          {
            permissions: podStream("exec", database.namespace),
            must: expected !== undefined,
            without: "the schema revision of the auth service's database is not checked",
          },
        ]
      : []),
    ...(probe
      ? [{ permissions: podStream("portforward", deployment.namespace), must: true, without: "no HTTP probe" }]
      : []),
  ];
}
