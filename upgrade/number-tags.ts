import { keyText } from "../config/config-commands";
import { containersOf, POD_SPECS } from "../kubernetes/pod-templates";
import { dig, groupKind, isMap, type KubeObject } from "../kubernetes/objects";
import { shellWord } from "../shared/shell-word";
import { UserError } from "../shared/user-error";

/**
 * Refuses an image tag that was a number on its way: templates print a large one as `2.0240101e+07`, and such an image
 * does not exist.
 *
 * @throws UserError naming the image, the value, and the line that makes it a text.
 */
export function refuseNumberTags(objects: readonly KubeObject[], values: Record<string, unknown>): void {
  for (const object of objects) {
    const path = POD_SPECS[groupKind(object)];
    for (const { fields } of path ? containersOf(dig(object, ...path)) : []) {
      const image = typeof fields["image"] === "string" ? fields["image"] : "";
      const printed = /:(\d(?:\.\d+)?e\+\d+)$/.exec(image)?.[1];
      if (printed === undefined) continue;
      const number = Number(printed);
      const where = pathOf(values, number);
      throw new UserError(
        "chart",
        `${object.kind} ${object.metadata.name ?? ""} would run image "${image}": its tag is the number ${number}, which templates print that way`,
        where === undefined
          ? `make the tag a text ("${number}") where it is set`
          : `make it a text: pulumi config set --path ${shellWord(keyText(["values", ...where]))} ${number} --type string ` +
              `(in a value file: "${number}" in quotes)`,
      );
    }
  }
}

function pathOf(values: unknown, number: number): string[] | undefined {
  if (!isMap(values)) return undefined;
  for (const [key, value] of Object.entries(values)) {
    if (value === number) return [key];
    const below = pathOf(value, number);
    if (below) return [key, ...below];
  }
  return undefined;
}
