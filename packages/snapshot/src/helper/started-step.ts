import type { Socket } from "node:net";
import { type ForkPipes, type Launched, type LauncherReport, type LaunchStdio, type Program, type ProgramBuilder, runForked } from "@varve/sandbox";
import { bytesOfHostPath } from "../host-path.ts";
import { addPipe, openOutputPipe, type OutputPipe, readPipe } from "./output-pipe.ts";

/** A step's process that runs. */
export interface StartedStep {
  /** Of its descriptors 1 and 2; none where it has the program's own. Each ends when no process has it any more. */
  readonly outputs: readonly AsyncIterable<Uint8Array>[];
  /** Ends its first process, however far it has come; the kernel ends all others of its pid namespace before it says so. */
  kill(): void;
  /** Resolves with what it told when all its processes are dead. */
  readonly ended: Promise<LauncherReport>;
}

/** Names, in a step's directory, of the pipes of a step that a launcher that stays starts. */
const PIPES = ["output", "error", "report"] as const;

/** Adds the calls that make the pipes of {@link forkStep} in a directory: any user of the step may open them again as /dev/stdout. */
export function addStepPipes(program: ProgramBuilder, directory: string): void {
  for (const name of PIPES) addPipe(program, `${directory}/${name}`, 0o666);
}

/** Has the launcher that stays start a step, by the program that `make` gives for its pipes, which are in `directory`. */
export async function forkStep(launcher: string, directory: string, make: (pipes: ForkPipes) => Program): Promise<StartedStep> {
  const [output, error, report] = PIPES.map((name) => `${directory}/${name}`) as [string, string, string];
  const program = make({ output: bytesOfHostPath(output), error: bytesOfHostPath(error), report: bytesOfHostPath(report) });
  const [told, ...outputs] = [report, output, error].map(readPipe) as [Socket, Socket, Socket];
  try {
    const forked = await runForked(launcher, program, told);
    return { outputs, ended: forked.ended, kill: () => kill(forked.report().child ?? forked.pid) };
  } catch (failure) {
    for (const stream of [told, ...outputs]) stream.destroy();
    throw failure;
  }
}

/** Where a process is started for each step: how. */
export interface StepLauncher {
  readonly launcher: string;
  /** A directory to make pipes in. */
  readonly directory: string;
  /** Further names of the pipes of descriptors 1 and 2, for a step that has no /proc to open them through. */
  readonly pipeNames?: readonly [string, string] | undefined;
  /** Descriptors for 0, 1 and 2 when the step gets the program's own. */
  readonly inherit?: readonly [number, number, number] | undefined;
  readonly start: (stdio: readonly [LaunchStdio, LaunchStdio, LaunchStdio]) => Launched;
}

/** Has a process of its own start a step. */
export async function launchStep({ launcher, directory, pipeNames, inherit, start }: StepLauncher): Promise<StartedStep> {
  const pipes: OutputPipe[] = [];
  if (inherit === undefined) for (const index of [0, 1]) pipes.push(await openOutputPipe(launcher, directory, pipeNames?.[index]));
  const launched = start(inherit ?? ["ignore", pipes[0]?.writer ?? "ignore", pipes[1]?.writer ?? "ignore"]);
  for (const pipe of pipes) pipe.closeWriter();
  return {
    outputs: pipes.map(({ output }) => output),
    ended: launched.ended.then(({ report }) => report),
    kill() {
      const { child } = launched.report();
      if (child !== undefined) kill(child);
      // it has not been told of yet, and is in the launcher's process group, or dies with it
      else if (launched.child.kill("SIGKILL") && launched.child.pid !== undefined) kill(-launched.child.pid);
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // already dead
  }
}
