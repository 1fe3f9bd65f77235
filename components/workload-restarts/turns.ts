import * as pulumi from "@pulumi/pulumi";
import { RestartQueue } from "./queue";

/**
 * Lets resources be declared in turn: the program waits for a free place before it tells the engine of the next one.
 *
 * Nothing but the program waits. The engine has no worker and no process for what has not begun; and because an item
 * counts as done only once the engine has it in its state, a run that is killed goes on where it was.
 */
export class Turns {
  private readonly queue: RestartQueue;
  private readonly turns: { readonly promise: Promise<pulumi.Resource[]>; readonly take: Take }[];

  /** @param sizes and k as in {@link RestartQueue}. */
  constructor(sizes: readonly number[], k: number) {
    this.queue = new RestartQueue(sizes, k);
    const count = sizes.reduce((sum, size) => sum + size, 0);
    this.turns = Array.from({ length: count }, () => {
      let take: Take = () => undefined;
      const promise = new Promise<pulumi.Resource[]>((resolve) => (take = resolve));
      return { promise, take };
    });
    this.give(this.queue.begin(), []);
  }

  /**
   * What an item depends on, known once its turn has come: the resource whose end made place for it, or the one that
   * failed, so that the engine leaves this one out.
   */
  of(item: number): Promise<pulumi.Resource[]> {
    return this.turns[item]?.promise ?? Promise.resolve([]);
  }

  /**
   * Notes that an item ends with a resource: its place is free once the engine is done with that.
   *
   * @param resource undefined: there is nothing to do for it any more.
   */
  endsWith(item: number, resource: pulumi.Resource | undefined): void {
    const ends = () => {
      this.queue.end(item);
      this.give(this.queue.begin(), resource ? [resource] : []);
    };
    if (resource === undefined) return ends();
    // A run that goes on after a failure (--continue-on-error) must not restart anything more all the same.
    onceTaken(resource, ends, () => this.give(this.queue.stop(), [resource]));
  }

  private give(items: readonly number[], after: pulumi.Resource[]): void {
    for (const item of items) this.turns[item]?.take(after);
  }
}

/** Calls one of both when the engine is done with a resource, or has refused it. */
export function onceTaken({ urn }: pulumi.Resource, done: () => void, failed: () => void): void {
  const known = urn.apply((name) => {
    done();
    return name;
  });
  pulumi.recover(known, () => {
    failed();
    return "";
  });
}

/** Waits until the engine is done with all of these. @returns whether it refused none. */
export async function areTaken(resources: readonly pulumi.Resource[]): Promise<boolean> {
  const taken = (one: pulumi.Resource) =>
    new Promise<boolean>((resolve) =>
      onceTaken(
        one,
        () => resolve(true),
        () => resolve(false),
      ),
    );
  return (await Promise.all(resources.map(taken))).every((is) => is);
}

type Take = (after: pulumi.Resource[]) => void;
