import { shorten, visibleLine, xmlText } from "./escape";
import type { Review } from "./schema";
import { type Bar, type Lane, lanesOf } from "./timeline-lanes";
import { count, duration, pendingRestarts, versionStep } from "./words";

const PAGE = { width: 960, margin: 12, top: 100, bottom: 28, row: 22, bar: 14 };
/** Where the names of the lanes end, and the bars begin. */
const LEFT = 290;
const RIGHT = PAGE.width - PAGE.margin;
/** Width of a step whose time is not known, and the gap before the time axis. */
const STEP = { width: 50, gap: 14 };
/** The steps before the restarts, in their order. */
const STEPS = ["backup", "crds", "chart"] as const;
/** About what a letter takes at the font sizes used; sans-serif fonts differ by some percent. */
const LETTER = { label: 7, lane: 7.5, heading: 10.5 };
/** Steps of the time axis in seconds; the first that gives at most {@link MOST_TICKS} is taken. */
const TICKS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
const MOST_TICKS = 8;

const LEGEND: [Bar["kind"], string][] = [
  ["backup", "verified backup"],
  ["crds", "CRD"],
  ["roll", "rolls without downtime"],
  ["down", "rolls with downtime"],
  ["restart", "MAS restart"],
];

/**
 * The upgrade as a picture (SVG, no dependencies): the backup, CRDs, the chart's rolls, then the restarts group by
 * group. Only restarts are estimated, so only they have a time axis; what comes before is drawn in its order. Each bar
 * says in words what it is, and the description holds the same as the picture. Follows the reader's light or dark mode.
 */
export function renderTimeline(review: Review): string {
  const lanes = lanesOf(review);
  const heading = `Upgrade of ${versionStep(review.identity.chart)}`;
  const rows = lanes.reduce((sum, { bars }) => sum + bars.length, 0);
  const height = PAGE.top + Math.max(1, rows) * PAGE.row + PAGE.bottom;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${PAGE.width} ${height}" role="img" ` +
      `aria-labelledby="casa-title casa-description" font-family="system-ui, sans-serif" font-size="12">`,
    `<title id="casa-title">${xmlText(heading)}</title>`,
    `<desc id="casa-description">${xmlText(description(review, lanes))}</desc>`,
    `<style>${STYLE}</style>`,
    `<rect class="page" width="${PAGE.width}" height="${height}"/>`,
    text(PAGE.margin, 26, shortenTo(heading, RIGHT - PAGE.margin, LETTER.heading), "heading"),
    text(PAGE.margin, 46, shortenTo(subtitle(review), RIGHT - PAGE.margin, LETTER.label), "quiet"),
    ...legend(lanes),
    ...(lanes.length === 0
      ? [text(PAGE.margin, PAGE.top + 15, "no CRD changes, no workload rolls, none is restarted")]
      : drawing(lanes, height)),
    "</svg>",
    "",
  ].join("\n");
}

const STYLE =
  ".page{fill:#fff}text{fill:#1f2328}.heading{font-size:16px;font-weight:600}.lane{font-weight:600}.quiet{fill:#59636e}.on{fill:#fff}" +
  ".line{stroke:#d1d9e0}.backup{fill:#9a6700}.crds{fill:#8250df}.roll{fill:#0969da}.down{fill:#d1242f}.restart{fill:#1a7f37}" +
  "@media(prefers-color-scheme:dark){.page{fill:#0d1117}text{fill:#f0f6fc}.quiet{fill:#9198a1}.on{fill:#0d1117}.line{stroke:#3d444d}" +
  ".backup{fill:#d29922}.crds{fill:#ab7df8}.roll{fill:#4493f8}.down{fill:#f85149}.restart{fill:#3fb950}}";

function subtitle({ restarts }: Review): string {
  const groups = pendingRestarts(restarts);
  if (groups.length === 0) return "no MAS workload is restarted";
  const workloads = groups.reduce((sum, group) => sum + group.workloads.length, 0);
  const { seconds, worstSeconds } = restarts.estimate;
  return (
    `${count(workloads, "MAS workload")} in ${count(groups.length, "group")}, ${restarts.maxConcurrent} at a time: ` +
    `about ${duration(seconds)}, at the latest ${duration(worstSeconds)}`
  );
}

/** For those who do not see the picture; of very many bars the first. */
function description(review: Review, lanes: readonly Lane[]): string {
  const words = lanes.map(({ name, bars }) => `${name}: ${bars.map(barWords).join("; ")}`);
  return shorten(visibleLine([subtitle(review), ...words, review.restarts.estimate.basis].join(". ")), 4000);
}

function barWords({ label, time }: Bar): string {
  return time === undefined ? label : `${label}, starts after ${duration(time.start)}`;
}

function legend(lanes: readonly Lane[]): string[] {
  const used = new Set(lanes.flatMap(({ bars }) => bars.map(({ kind }) => kind)));
  let x = PAGE.margin;
  return LEGEND.filter(([kind]) => used.has(kind)).map(([kind, words]) => {
    const at = x;
    x += 18 + words.length * LETTER.label + 16;
    return `<rect class="${kind}" x="${at}" y="56" width="12" height="12" rx="2"/>${text(at + 18, 66, words)}`;
  });
}

function drawing(lanes: readonly Lane[], height: number): string[] {
  const steps = STEPS.filter((step) => lanes.some((lane) => lane.step === step));
  const before = steps.length * STEP.width + (steps.length > 0 ? STEP.gap : 0);
  const hasAxis = lanes.some(({ step }) => step === "restarts");
  const zero = LEFT + before;
  const end = Math.max(
    1,
    ...lanes.flatMap(({ bars }) => bars.map(({ time }) => (time ? time.start + time.seconds : 0))),
  );
  const scale = (seconds: number) => zero + (seconds / end) * (RIGHT - zero);
  const place = (lane: Lane, bar: Bar): [x: number, width: number] => {
    if (bar.time) return [scale(bar.time.start), Math.max(2, scale(bar.time.seconds) - zero)];
    return [LEFT + steps.findIndex((step) => step === lane.step) * STEP.width, STEP.width - 4];
  };
  return [
    ...(steps.length > 0 ? [text(LEFT, PAGE.top - 12, "before (not to scale)", "quiet")] : []),
    ...(hasAxis ? axis(end, scale, height) : []),
    ...drawLanes(lanes, place),
  ];
}

function axis(end: number, scale: (seconds: number) => number, height: number): string[] {
  const step = TICKS.find((seconds) => end / seconds <= MOST_TICKS) ?? end / MOST_TICKS;
  const ticks = Array.from({ length: Math.floor(end / step) + 1 }, (_, i) => i * step);
  const bottom = height - PAGE.bottom;
  return [
    ...ticks.flatMap((seconds) => {
      const x = round(scale(seconds));
      const label = text(x, bottom + 16, tickText(seconds, step), "quiet", x > RIGHT - 20 ? "end" : "middle");
      return [`<line class="line" x1="${x}" y1="${PAGE.top - 4}" x2="${x}" y2="${bottom}"/>`, label];
    }),
    text(LEFT - 8, bottom + 16, "after the first restart:", "quiet", "end"),
  ];
}

/** In the unit of the steps, so that neighbours differ. */
function tickText(seconds: number, step: number): string {
  if (step >= 3600) return `${Math.round(seconds / 3600)} h`;
  return step >= 60 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds)} s`;
}

function drawLanes(lanes: readonly Lane[], place: (lane: Lane, bar: Bar) => [number, number]): string[] {
  const drawn: string[] = [];
  let y = PAGE.top;
  for (const lane of lanes) {
    const name = shortenTo(lane.name, LEFT - PAGE.margin - 10, LETTER.lane);
    drawn.push(text(PAGE.margin, y + 15, name, "lane"));
    for (const bar of lane.bars) {
      drawn.push(drawBar(lane, bar, y, ...place(lane, bar)));
      y += PAGE.row;
    }
  }
  return drawn;
}

function drawBar(lane: Lane, bar: Bar, y: number, x: number, width: number): string {
  const sides = [
    { room: RIGHT - (x + width + 6), draw: (label: string) => text(round(x + width + 6), y + 15, label) },
    { room: x - 6 - LEFT, draw: (label: string) => text(round(x - 6), y + 15, label, undefined, "end") },
    { room: width - 12, draw: (label: string) => text(round(x + 6), y + 15, label, "on") },
  ];
  // To the right of the bar, else to the left, else on it; where it fits nowhere, where most of it does.
  const roomiest = sides.reduce((best, side) => (side.room > best.room ? side : best));
  const { room, draw } = sides.find((side) => bar.label.length * LETTER.label <= side.room) ?? roomiest;
  const told = draw(shortenTo(bar.label, room, LETTER.label));
  const rect = `<rect class="${bar.kind}" x="${round(x)}" y="${y + 4}" width="${round(width)}" height="${PAGE.bar}" rx="2"/>`;
  return `<g><title>${xmlText(`${lane.name}: ${barWords(bar)}`)}</title>${rect}${told}</g>`;
}

function text(x: number, y: number, words: string, style?: string, anchor?: "middle" | "end"): string {
  const attributes = [style ? ` class="${style}"` : "", anchor ? ` text-anchor="${anchor}"` : ""].join("");
  return `<text x="${x}" y="${y}"${attributes}>${xmlText(words)}</text>`;
}

function shortenTo(words: string, width: number, letter: number): string {
  return shorten(visibleLine(words), Math.max(1, Math.floor(width / letter)));
}

function round(number: number): number {
  return Math.round(number * 10) / 10;
}
