import { randomUUID } from "node:crypto";
import { chmodSync, closeSync, constants, linkSync, openSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { createProgram, launcherArch, runProgram } from "@varve/sandbox";
import { bytesOfHostPath } from "../host-path.ts";

/** A pipe a step writes its output to. */
export interface OutputPipe {
  /** For the step; closed by {@link closeWriter} once it has been handed on. */
  readonly writer: number;
  /** Ends when no process has the writer any more. */
  readonly output: AsyncIterable<Uint8Array>;
  closeWriter(): void;
}

const AT_FDCWD = -100;

/**
 * A real pipe in a folder of the helper's, its name gone at once. What Node calls a pipe is a socket, which a step cannot open again as
 * /dev/stdout; and any user of the step may open this one. With `name`, a path on the same file system, it keeps that.
 */
export async function openOutputPipe(launcher: string, directory: string, name?: string): Promise<OutputPipe> {
  const path = `${directory}/pipe-${randomUUID()}`;
  const program = createProgram(launcherArch());
  program.call("make a pipe", "mknodat", AT_FDCWD, program.string(bytesOfHostPath(path)), constants.S_IFIFO | 0o600, 0);
  const report = await runProgram(launcher, program.finish());
  if (report.failure !== undefined) throw new Error(`cannot ${report.failure.label}: ${report.failure.code}`);
  try {
    chmodSync(path, 0o666);
    if (name !== undefined) linkSync(path, name);
    // the reader first, and without waiting: opening a writer waits for one
    const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(path, constants.O_WRONLY);
    const output = new Socket({ fd: reader, readable: true, writable: false });
    return { writer, output, closeWriter: () => closeSync(writer) };
  } finally {
    unlinkSync(path);
  }
}
