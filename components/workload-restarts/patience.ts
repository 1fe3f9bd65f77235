import type { GateJob } from "./gate-job";
import type { GateVerdict } from "./gate-verdict";
import type { Stuck } from "./stuck";

/** So long the same obstacle must stand in the way before it counts as one that stays, in milliseconds. */
const STUCK_MS = 8_000;
/** So long pods must lack something before that counts, in milliseconds: an injector that goes may have answered. */
const LACKING_MS = 5_000;
/** So long after a quota got room a controller may take until it tries again, in milliseconds. */
const ROOM_MS = 45_000;
/** So long a workload that was not available before either is waited for without any progress, in milliseconds. */
const BROKEN_MS = 60_000;

/** What one look at a restart says of the waiting. */
export interface Seen {
  readonly verdict: GateVerdict;
  /** What keeps it from going on. */
  readonly stuck?: Stuck;
  /** Another text whenever it got on. */
  readonly counts?: string;
  /** A quota is full, and gets room. */
  readonly getsRoom?: boolean;
}

/** How long a gate goes on waiting, by what was seen so far; moments are milliseconds since 1970. */
export class Patience {
  /** When nothing is waited for any more. */
  end: number;
  private readonly last: number;
  private progress: string | undefined;
  private stuckSince: number | undefined;
  private lackingSince: number | undefined;
  private roomUntil = 0;
  private stuck: Stuck | undefined;

  constructor(
    private readonly job: Pick<GateJob, "brokenBefore" | "timeoutSeconds">,
    private readonly started: number,
  ) {
    this.last = started + job.timeoutSeconds * 1000;
    this.end = this.endFrom(started);
  }

  /** Takes note of a look. */
  saw({ verdict, stuck, counts, getsRoom }: Seen, now: number): void {
    if (getsRoom) this.roomUntil = now + ROOM_MS;
    if (counts !== undefined && counts !== this.progress) {
      if (this.progress !== undefined) {
        this.stuckSince = undefined;
        this.end = this.endFrom(now);
      }
      this.progress = counts;
    }
    const lacks = verdict.state === "failed" && verdict.mayPass === true;
    this.lackingSince = lacks ? (this.lackingSince ?? now) : undefined;
    this.stuckSince = stuck ? (this.stuckSince ?? now) : undefined;
    this.stuck = stuck;
  }

  /** When what is in the way counts as something that stays. */
  get stuckAt(): number {
    if (this.stuck === undefined || this.stuckSince === undefined) return Infinity;
    const { hopeless, patience, why } = this.stuck;
    if (hopeless) return this.stuckSince;
    const usual = this.stuckSince + (patience === undefined ? STUCK_MS : patience * 1000);
    return why.includes("exceeded quota") ? Math.max(usual, this.roomUntil) : usual;
  }

  /** When a failure counts: at once, unless it may pass. */
  get failsAt(): number {
    return this.lackingSince === undefined ? -Infinity : Math.min(this.lackingSince + LACKING_MS, this.end);
  }

  /** How long was waited, in whole seconds. */
  get seconds(): number {
    return Math.round((this.end - this.started) / 1000);
  }

  /** A workload that was not available may be one that was just scaled up: while it gets on it is waited for. */
  private endFrom(at: number): number {
    return this.job.brokenBefore ? Math.min(this.last, at + BROKEN_MS) : this.last;
  }
}
