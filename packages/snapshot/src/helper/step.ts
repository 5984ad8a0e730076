import { constants } from "node:os";
import { VarveError } from "@varve/errors";
import { errorName, execErrno, type Launched, type Place, type SandboxDriver, type SandboxProcess, type StartOptions } from "@varve/sandbox";
import { bytesOfHostPath } from "../host-path.ts";
import { forkStep, launchStep, type StartedStep } from "./started-step.ts";

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
  /** `directory` has those of `addStepPipes`. */
  readonly hasPipes?: boolean;
  /** Further names of the pipes of descriptors 1 and 2, for a step that has no /proc to open them through. */
  readonly pipeNames?: readonly [string, string];
  /** Descriptors for 0, 1 and 2 when the step gets the program's own. */
  readonly inherit?: readonly [number, number, number];
  output(stream: number, chunk: Uint8Array): Promise<void>;
  readonly signal: AbortSignal;
}

/** Runs a step's process on a mounted root and resolves when all its processes are dead and all its output is delivered. */
export async function runStep(step: StepProcess, options: RunStepOptions): Promise<StepEnd> {
  const { signal } = options;
  signal.throwIfAborted();
  const started = await startStep({ ...step, root: bytesOfHostPath(options.root) }, options);
  const kill = (): void => started.kill();
  signal.addEventListener("abort", kill, { once: true });
  // what is aborted while it starts tells nobody else
  if (signal.aborted) kill();
  try {
    const outputs = started.outputs.map(async (output, index) => deliver(started, index + 1, output, options));
    // one may fail long before the process has ended, which is waited for first
    for (const output of outputs) output.catch(() => {});
    const { failure, execute, status } = await started.ended;
    await Promise.all(outputs);
    signal.throwIfAborted();
    if (failure !== undefined) throw new VarveError("SANDBOX_SETUP_FAILED", `cannot ${failure.label} for the step: ${failure.code}`);
    if (execute !== undefined) throw commandError(step, execErrno(execute));
    if (status === undefined) throw new VarveError("SANDBOX_SETUP_FAILED", "the step's launcher was killed");
    return endOf(status);
  } finally {
    signal.removeEventListener("abort", kill);
  }
}

async function startStep(step: SandboxProcess, { driver, place, directory, hasPipes, pipeNames, inherit }: RunStepOptions): Promise<StartedStep> {
  const { launcher } = place;
  if (hasPipes === true && inherit === undefined && driver.forked !== undefined) {
    const { forked } = driver;
    return await forkStep(launcher, directory, (pipes) => forked(step, place, pipes));
  }
  const start = (stdio: StartOptions["stdio"]): Launched => driver.start(step, { place, stdio, foreground: inherit !== undefined });
  return await launchStep({ launcher, directory, pipeNames, inherit, start });
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

async function deliver(started: StartedStep, stream: number, pipe: AsyncIterable<Uint8Array>, options: RunStepOptions): Promise<void> {
  try {
    for await (const chunk of pipe) await options.output(stream, chunk);
  } catch (error) {
    // nobody listens any more: the process must not wait for a reader that will not come
    started.kill();
    throw error;
  }
}
