import { execFileSync } from "node:child_process";
import type { StartedProgram } from "./varve.ts";

/** The processes of the machine whose command line is `sleep MARKER`: what a step of a test left running is found by a number of its own. */
export function sleepers(marker: string): string[] {
  const commands = execFileSync("ps", ["-eo", "args="], { encoding: "utf8" }).split("\n");
  return commands.filter((args) => args.trimEnd() === `sleep ${marker}`);
}

/** Calls back once `count` of the {@link sleepers} are there; looks every 50 ms. */
export function onceAsleep(marker: string, count: number, act: () => void): void {
  const timer = setInterval(() => {
    if (sleepers(marker).length < count) return;
    clearInterval(timer);
    act();
  }, 50);
}

/** For `onStart`: sends the program a signal once one of the {@link sleepers} is there. */
export function signalOnceAsleep(marker: string, signal: NodeJS.Signals): (child: StartedProgram) => void {
  return (child) => onceAsleep(marker, 1, () => child.kill(signal));
}
