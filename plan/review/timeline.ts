import { xmlText } from "./escape";
import type { Review } from "./schema";
import { duration } from "./summary";

/** One bar: times in seconds after the start of the upgrade. */
interface Bar {
  label: string;
  start: number;
  seconds: number;
  kind: "crds" | "roll" | "down" | "restart";
}

interface Lane {
  name: string;
  bars: Bar[];
}

/** Restarts drawn one by one; of more, each system is one bar. */
const MOST_BARS = 60;
/** Lanes that are drawn; of more systems the rest is one bar. */
const MOST_LANES = 40;
/** Nobody measured these: what a step takes at least, so that it can be seen. */
const STEP_SECONDS = { crds: 2, roll: 10 };

const WIDTH = 960;
const LEFT = 300;
const ROW = 22;
const TOP = 64;

/**
 * The upgrade on a time axis, as SVG: CRDs, the chart's rolls, then the restarts in their groups. Only the restarts are
 * estimated from the cluster; CRDs and rolls show the order. Colours follow the reader's light or dark mode, and every
 * bar says in words what it is.
 */
export function renderTimeline(review: Review): string {
  const { chart } = review.identity;
  const heading = `Upgrade of ${chart.name} ${chart.before ?? "(not installed)"} to ${chart.after}`;
  const lanes = lanesOf(review);
  const end = Math.max(1, ...lanes.flatMap(({ bars }) => bars.map(({ start, seconds }) => start + seconds)));
  const scale = (seconds: number) => LEFT + (seconds / end) * (WIDTH - LEFT - 20);
  const rows = lanes.reduce((sum, { bars }) => sum + Math.max(1, bars.length), 0);
  const height = TOP + rows * ROW + 40;
  const description = `${lanes.length} steps, about ${duration(end)}. ${review.restarts.estimate.basis}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title description" font-family="system-ui, sans-serif" font-size="12">`,
    `<title id="title">${xmlText(heading)}</title>`,
    `<desc id="description">${xmlText(description)}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${WIDTH}" height="${height}"/>`,
    `<text x="12" y="24" class="heading">${xmlText(shorten(heading, 100))}</text>`,
    ...axis(end, scale, height),
    ...drawLanes(lanes, scale),
    ...(lanes.length === 0 ? [`<text x="12" y="${TOP + 16}">nothing to do</text>`] : []),
    "</svg>",
    "",
  ].join("\n");
}

const STYLE =
  ".page{fill:#fff}text{fill:#1f2328}.heading{font-size:15px;font-weight:600}.lane{font-weight:600}.tick{fill:#59636e}" +
  ".grid{stroke:#d1d9e0}.crds{fill:#8250df}.roll{fill:#0969da}.down{fill:#d1242f}.restart{fill:#1a7f37}" +
  "@media(prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#f0f6fc}.tick{fill:#9198a1}.grid{stroke:#3d444d}" +
  ".crds{fill:#ab7df8}.roll{fill:#4493f8}.down{fill:#f85149}.restart{fill:#3fb950}}";

function lanesOf({ crds, rolls, restarts }: Review): Lane[] {
  const changed = crds.filter(({ action }) => action === "create" || action === "update");
  const afterCrds = changed.length > 0 ? STEP_SECONDS.crds : 0;
  const afterRolls = afterCrds + (rolls.length > 0 ? STEP_SECONDS.roll : 0);
  return [
    {
      name: "CRDs",
      bars: changed.map(({ name, action }) => ({
        label: `${action} ${name}`,
        start: 0,
        seconds: STEP_SECONDS.crds,
        kind: "crds" as const,
      })),
    },
    {
      name: "Chart",
      bars: rolls.map(({ workload, replicas, downtime }) => ({
        label: `${workload}, ${replicas} replicas${downtime.expected === "none" ? "" : `, downtime: ${downtime.expected}`}`,
        start: afterCrds,
        seconds: STEP_SECONDS.roll,
        kind: downtime.expected === "none" ? ("roll" as const) : ("down" as const),
      })),
    },
    ...restartLanes(restarts, afterRolls),
  ].filter(({ bars }) => bars.length > 0);
}

function restartLanes({ groups }: Review["restarts"], offset: number): Lane[] {
  const pending = groups
    .map(({ name, workloads }) => ({ name, workloads: workloads.filter(({ done }) => !done) }))
    .filter(({ workloads }) => workloads.length > 0);
  const total = pending.reduce((sum, { workloads }) => sum + workloads.length, 0);
  if (total <= MOST_BARS) {
    return pending.map(({ name, workloads }) => ({
      name,
      bars: workloads.map(({ workload, start, seconds }) => ({
        label: workload,
        start: start + offset,
        seconds,
        kind: "restart",
      })),
    }));
  }
  const drawn = pending
    .slice(0, MOST_LANES)
    .map(({ name, workloads }) => ({ name, bars: [together(workloads, offset)] }));
  const rest = pending.slice(MOST_LANES);
  if (rest.length === 0) return drawn;
  const others = rest.flatMap(({ workloads }) => workloads);
  return [...drawn, { name: `${rest.length} more systems`, bars: [together(others, offset)] }];
}

function together(workloads: Review["restarts"]["groups"][number]["workloads"], offset: number): Bar {
  const start = Math.min(...workloads.map((one) => one.start));
  const end = Math.max(...workloads.map((one) => one.start + one.seconds));
  return { label: `${workloads.length} workloads`, start: start + offset, seconds: end - start, kind: "restart" };
}

function drawLanes(lanes: readonly Lane[], scale: (seconds: number) => number): string[] {
  const drawn: string[] = [];
  let row = 0;
  for (const { name, bars } of lanes) {
    bars.forEach(({ label, start, seconds, kind }, i) => {
      const y = TOP + row * ROW;
      const x = scale(start);
      const width = Math.max(2, scale(start + seconds) - x);
      const told = `${label}: after ${duration(start)}, ${duration(seconds)}`;
      if (i === 0) drawn.push(`<text class="lane" x="12" y="${y + 15}">${xmlText(shorten(name, 42))}</text>`);
      // A label stands on the side where there is room for it.
      const right = x + width + 6 + label.length * 6.5 < WIDTH;
      const at = right ? `x="${(x + width + 6).toFixed(1)}"` : `x="${(x - 6).toFixed(1)}" text-anchor="end"`;
      drawn.push(
        `<g><title>${xmlText(told)}</title>` +
          `<rect class="${kind}" x="${x.toFixed(1)}" y="${y + 4}" width="${width.toFixed(1)}" height="${ROW - 8}" rx="2"/>` +
          `<text ${at} y="${y + 15}">${xmlText(shorten(label, 60))}</text></g>`,
      );
      row++;
    });
  }
  return drawn;
}

function axis(end: number, scale: (seconds: number) => number, height: number): string[] {
  const step =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400].find((s) => end / s <= 8) ?? end / 8;
  const ticks = Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
  return ticks.flatMap((seconds) => {
    const x = scale(seconds).toFixed(1);
    return [
      `<line class="grid" x1="${x}" y1="${TOP - 8}" x2="${x}" y2="${height - 24}"/>`,
      `<text class="tick" x="${x}" y="${TOP - 14}" text-anchor="middle">${duration(seconds)}</text>`,
    ];
  });
}

function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}
