import * as os from "node:os";

/** Who runs this, for the history. A container's user may have a number only, which makes the call throw. */
export function userName(): string {
  try {
    return os.userInfo().username;
  } catch {
    return process.env["USER"] ?? `uid-${process.getuid?.() ?? "unknown"}`;
  }
}
