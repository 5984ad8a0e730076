import { closeSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { ReadStream } from "node:tty";
import { VarveError } from "@varve/errors";
import type { RunMountSource } from "@varve/snapshot";
import { openLauncher, openTerminal } from "@varve/sandbox";

/** The standard streams of a command that is run for somebody who watches. */
export interface RunStreams extends AsyncDisposable {
  /** Descriptors of this process. */
  readonly streams: readonly [number, number, number];
  readonly stdio: "inherit" | "terminal";
  /** What shows the process where its terminal is. */
  readonly mounts: readonly RunMountSource[];
  /** Call it once nobody else has the descriptors: resolves when all that was shown has been passed on. */
  drain(): Promise<void>;
}

/** This process's own streams; with `interactive` also what is typed. */
export function inheritedStreams(interactive: boolean): RunStreams {
  const input = interactive ? 0 : openSync("/dev/null", "r");
  return {
    streams: [input, 1, 2],
    stdio: "inherit",
    mounts: [],
    drain: () => Promise.resolve(),
    [Symbol.asyncDispose]() {
      if (!interactive) closeSync(input);
      return Promise.resolve();
    },
  };
}

/** How long what a process has shown last may take; what it left behind may keep the terminal open for ever. */
const DRAIN_MS = 500;

/** A terminal of its own, shown on this process's; with `interactive` what is typed here goes there as it is, interrupts too. */
export async function terminalStreams(interactive: boolean): Promise<RunStreams> {
  const { stdin, stdout } = process;
  if (interactive && !stdin.isTTY) {
    throw new VarveError("BUILD_INVALID_OPTION", "the input device is not a terminal", { hint: "leave -t out when stdin is a pipe or a file" });
  }
  const launcher = await openLauncher([tmpdir()]);
  const terminal = await openTerminal(launcher).catch((error: unknown) => {
    launcher.close();
    throw error;
  });
  const master = new ReadStream(terminal.master);
  // EIO is how the other end is found closed
  master.on("error", () => {});
  const ended = new Promise<void>((resolve) => master.once("close", resolve));
  master.pipe(stdout, { end: false });
  const resize = (): void => {
    if (stdout.isTTY) terminal.resize({ columns: stdout.columns, rows: stdout.rows }).catch(() => {});
  };
  if (stdout.isTTY) await terminal.resize({ columns: stdout.columns, rows: stdout.rows });
  stdout.on("resize", resize);
  if (interactive) {
    stdin.setRawMode(true);
    stdin.pipe(master, { end: false });
  }
  let slave: number | undefined = terminal.slave;
  const closeSlave = (): void => {
    if (slave !== undefined) closeSync(slave);
    slave = undefined;
  };
  return {
    streams: [terminal.slave, terminal.slave, terminal.slave],
    stdio: "terminal",
    // as docker: ttyname(3) looks for its device in /dev
    mounts: [{ kind: "host", target: "/dev/console", readonly: false, source: terminal.path }],
    async drain() {
      closeSlave();
      await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, DRAIN_MS).unref())]);
    },
    [Symbol.asyncDispose]() {
      stdout.off("resize", resize);
      if (interactive) {
        stdin.unpipe(master);
        stdin.setRawMode(false);
        stdin.pause();
      }
      closeSlave();
      master.destroy();
      launcher.close();
      return Promise.resolve();
    },
  };
}
