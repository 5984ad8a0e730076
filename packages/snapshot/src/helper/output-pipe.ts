import { randomUUID } from "node:crypto";
import { chmodSync, closeSync, constants, linkSync, openSync, unlinkSync } from "node:fs";
import { Socket } from "node:net";
import { createProgram, launcherArch, type ProgramBuilder, runProgram } from "@varve/sandbox";
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

/** Adds the call that makes a named pipe. */
export function addPipe(program: ProgramBuilder, path: string, mode: number): void {
  program.call("make a pipe", "mknodat", AT_FDCWD, program.string(bytesOfHostPath(path)), constants.S_IFIFO | mode, 0);
}

/** Reads a named pipe. Opening it waits for no writer; it ends when there was one and is none any more. */
export function readPipe(path: string): Socket {
  return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });
}

/**
 * A real pipe in a folder of the helper's, its name gone at once. What Node calls a pipe is a socket, which a step cannot open again as
 * /dev/stdout; and any user of the step may open this one. With `name`, a path on the same file system, it keeps that.
 */
export async function openOutputPipe(launcher: string, directory: string, name?: string): Promise<OutputPipe> {
  const path = `${directory}/pipe-${randomUUID()}`;
  const program = createProgram(launcherArch());
  addPipe(program, path, 0o600);
  const report = await runProgram(launcher, program.finish());
  if (report.failure !== undefined) throw new Error(`cannot ${report.failure.label}: ${report.failure.code}`);
  try {
    chmodSync(path, 0o666);
    if (name !== undefined) linkSync(path, name);
    // the reader first: opening a writer waits for one
    const output = readPipe(path);
    const writer = openSync(path, constants.O_WRONLY);
    return { writer, output, closeWriter: () => closeSync(writer) };
  } finally {
    unlinkSync(path);
  }
}
