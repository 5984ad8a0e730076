import { constants } from "node:os";
import { VarveError } from "@varve/errors";
import { errorName, execErrno, type Launched, type LaunchStdio, type Place, type SandboxDriver, type SandboxProcess } from "@varve/sandbox";
import { bytesOfHostPath } from "../host-path.ts";
import { openOutputPipe, type OutputPipe } from "./output-pipe.ts";

/** A step's process as it travels: without the root, which the helper knows. */
export type StepProcess = Omit<SandboxProcess, "root">;

/** How a step's process ended. */
export interface StepEnd {
  readonly exitCode: number;
  readonly signal?: string;
  /** What could not be done as Docker would in this step only, one sentence each. */
  readonly losses?: readonly string[];
}

/** What {@link runStep} needs beside the process. */
export interface RunStepOptions {
  readonly driver: SandboxDriver;
  readonly place: Place;
  /** Host path of the step's root directory. */
  readonly root: string;
  /** A directory to make pipes in. */
  readonly directory: string;
  /** Further names of the pipes of descriptors 1 and 2, for a step that has no /proc to open them through. */
  readonly pipeNames?: readonly [string, string];
  /** Descriptors for 0, 1 and 2 when the step gets the program's own. */
  readonly inherit?: readonly [number, number, number];
  output(stream: number, chunk: Uint8Array): Promise<void>;
  readonly signal: AbortSignal;
}

/** Runs a step's process on a mounted root and resolves when all its processes are dead and all its output is delivered. */
export async function runStep(step: StepProcess, options: RunStepOptions): Promise<StepEnd> {
  options.signal.throwIfAborted();
  const pipes = options.inherit === undefined ? await openPipes(options) : [];
  const stdio: readonly [LaunchStdio, LaunchStdio, LaunchStdio] = options.inherit ?? ["ignore", pipes[0]?.writer ?? "ignore", pipes[1]?.writer ?? "ignore"];
  const launched = options.driver.start(
    { ...step, root: bytesOfHostPath(options.root) },
    { place: options.place, stdio, foreground: options.inherit !== undefined },
  );
  const kill = (): void => killStep(launched);
  options.signal.addEventListener("abort", kill, { once: true });
  try {
    for (const pipe of pipes) pipe.closeWriter();
    const outputs = pipes.map(async (pipe, index) => deliver(launched, index + 1, pipe.output, options));
    // one may fail long before the process has ended, which is waited for first
    for (const output of outputs) output.catch(() => {});
    const end = await launched.ended;
    await Promise.all(outputs);
    options.signal.throwIfAborted();
    const { failure, execute, status } = end.report;
    if (failure !== undefined) throw new VarveError("SANDBOX_SETUP_FAILED", `cannot ${failure.label} for the step: ${failure.code}`);
    if (execute !== undefined) throw commandError(step, execErrno(execute));
    if (status === undefined) throw new VarveError("SANDBOX_SETUP_FAILED", "the step's launcher was killed");
    return endOf(status);
  } finally {
    options.signal.removeEventListener("abort", kill);
  }
}

/** Reads the status of wait(2). */
function endOf(status: number): StepEnd {
  const signal = status & 0x7f;
  if (signal === 0) return { exitCode: (status >> 8) & 0xff };
  const name = Object.entries(constants.signals).find(([, number]) => number === signal)?.[0];
  return { exitCode: 128 + signal, signal: name ?? `signal ${signal}` };
}

function commandError(step: StepProcess, errno: number): VarveError {
  const name = JSON.stringify(step.args[0] ?? "");
  const [ENOENT, EACCES, ENOEXEC] = [2, 13, 8];
  if (errno === ENOENT)
    return new VarveError("SANDBOX_COMMAND_NOT_FOUND", `${name} is not in the root filesystem`, {
      hint: "the program, or the interpreter it names, must be in the image; PATH is the step's own",
    });
  if (errno === EACCES)
    return new VarveError("SANDBOX_COMMAND_NOT_FOUND", `${name} may not be executed (${errorName(errno)})`, {
      hint: "it must be a file with an execute bit, in directories the step's user may enter",
    });
  if (errno === ENOEXEC)
    return new VarveError("SANDBOX_COMMAND_NOT_FOUND", `${name} is no program of this machine (exec format error)`, {
      hint: "a script needs a #! line; a program must be built for this machine's architecture",
    });
  return new VarveError("SANDBOX_COMMAND_NOT_FOUND", `${name} cannot be executed (${errorName(errno)})`);
}

/** Ends a step's first process; the kernel ends all others of its pid namespace before it says so. */
function killStep(launched: Launched): void {
  const { child } = launched.report();
  try {
    if (child !== undefined) process.kill(child, "SIGKILL");
    // it has not been told of yet, and is in the launcher's process group, or dies with it
    else if (!launched.child.kill("SIGKILL") || launched.child.pid === undefined) return;
    else process.kill(-launched.child.pid, "SIGKILL");
  } catch {
    // already dead
  }
}

/** For descriptors 1 and 2. */
async function openPipes(options: RunStepOptions): Promise<OutputPipe[]> {
  const pipes: OutputPipe[] = [];
  for (const index of [0, 1]) pipes.push(await openOutputPipe(options.place.launcher, options.directory, options.pipeNames?.[index]));
  return pipes;
}

async function deliver(launched: Launched, stream: number, pipe: AsyncIterable<Uint8Array>, options: RunStepOptions): Promise<void> {
  try {
    for await (const chunk of pipe) await options.output(stream, chunk);
  } catch (error) {
    // nobody listens any more: the process must not wait for a reader that will not come
    killStep(launched);
    throw error;
  }
}
