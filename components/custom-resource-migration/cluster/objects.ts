import { z } from "zod";
import { kubeObject, type KubeObject } from "../../../kubernetes/objects";

/** A custom resource as it is stored. */
export const storedObject = z.looseObject({
  ...kubeObject.shape,
  metadata: z.looseObject({
    ...kubeObject.shape.metadata.shape,
    name: z.string(),
    uid: z.string(),
    resourceVersion: z.string(),
    deletionTimestamp: z.string().optional(),
  }),
});

export type StoredObject = z.infer<typeof storedObject>;

/** `namespace/name`, or the name alone. */
export function nameOf({ metadata: { namespace, name = "" } }: KubeObject): string {
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Does the same for all items, a few at once; the first failure stops those that have not begun. */
export async function inParallel<T>(
  items: readonly T[],
  atOnce: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  let failed = false;
  const worker = async () => {
    for (let item = queue.shift(); item !== undefined && !failed; item = queue.shift()) {
      try {
        await act(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const done = await Promise.allSettled(Array.from({ length: Math.min(atOnce, items.length) }, worker));
  const broken = done.find((one) => one.status === "rejected");
  if (broken) throw broken.reason as Error;
}
