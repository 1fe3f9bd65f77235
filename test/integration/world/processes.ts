import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process of this machine. */
export interface Process {
  pid: number;
  name: string;
  folder: string;
  arguments: string;
  environment: string;
}

/** All processes, as far as they may be looked at; none where there is no /proc. */
export function processes(): Process[] {
  return pids().flatMap((pid) => {
    try {
      const text = (name: string) => readFileSync(`/proc/${pid}/${name}`, "utf8").replaceAll("\0", " ");
      const name = text("comm").trim();
      return [
        {
          pid,
          name,
          folder: readlinkSync(`/proc/${pid}/cwd`),
          arguments: text("cmdline"),
          environment: text("environ"),
        },
      ];
    } catch {
      // It has ended, or is somebody else's.
      return [];
    }
  });
}

function pids(): number[] {
  try {
    return readdirSync("/proc").map(Number).filter(Boolean);
  } catch {
    return [];
  }
}
