import { launch, type LaunchEnd, type Program } from "@varve/sandbox";

/** Makes a program's calls in this process's own namespaces; `descriptors` are 5 and on in it. */
export async function runProgram(launcher: string, program: Program, descriptors: readonly number[] = []): Promise<LaunchEnd> {
  return await launch({ command: [launcher], program, stdio: ["ignore", "ignore", "ignore"], descriptors }).ended;
}
