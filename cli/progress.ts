/** Nothing is said of what takes less than this, in milliseconds. */
const SHORT = 2_000;
const TICK = 1_000;
/** How often a log, which nobody sees moving, gets a line. */
const LOG_EVERY = 30_000;

interface Screen {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/**
 * Tells on stderr what goes on and for how long, once it takes more than two seconds: on a terminal in one line that
 * moves and is gone at the end, elsewhere in a line every half minute.
 */
export async function withProgress<T>(
  what: string,
  work: () => Promise<T>,
  screen: Screen = process.stderr,
): Promise<T> {
  const started = Date.now();
  const line = (columns: number) => {
    const time = ` … ${Math.floor((Date.now() - started) / 1000)} s`;
    return what.slice(0, Math.max(0, columns - time.length)) + time;
  };
  let shown = false;
  let told = started;
  const tell = () => {
    const now = Date.now();
    if (screen.isTTY) {
      if (now - started < SHORT) return;
      shown = true;
      // A line that wraps could not be taken back.
      screen.write(`\r\x1b[K${line((screen.columns ?? 80) - 1)}`);
    } else if (now - told >= LOG_EVERY) {
      told = now;
      screen.write(`${line(200)}\n`);
    }
  };
  const timer = setInterval(tell, TICK);
  try {
    return await work();
  } finally {
    clearInterval(timer);
    if (shown) screen.write("\r\x1b[K");
  }
}
