import { createProgram, type Program, type ProgramBuilder } from "./launcher/program.ts";
import { REPORT, reportExecutions, reportWord } from "./launcher/report.ts";
import type { LauncherArch } from "./launcher/system-call.ts";
import { awaitChild, takeIds } from "./enter-program.ts";
import type { Launched } from "./launcher/launcher.ts";
import { killDescendants } from "./process-tree.ts";

const PR_SET_PDEATHSIG = 1;
const PR_SET_CHILD_SUBREAPER = 36;
const SIGCHLD = 17;
const SIGKILL = 9;
const F_SETFD = 2;
const OWN_COUNT = 24;
/** Milliseconds between looks for what a step left running. */
const INTERVAL = 5;

/**
 * The program by which a helper process starts where there is no pid namespace: below a launcher that inherits every orphan and ends only
 * when there is none left, so that whoever started the launcher finds all of them below it. `as`: gives up root for other ids first.
 */
export function superviseProgram(
  arch: LauncherArch,
  argv: readonly string[],
  env: readonly string[],
  as?: { readonly uid: number; readonly gid: number },
): Program {
  const program = createProgram(arch);
  if (as !== undefined) takeIds(program, as);
  const parent = program.branch();
  program.call("inherit orphans", "prctl", PR_SET_CHILD_SUBREAPER, 1);
  program.call({ label: "start the helper", onPositive: parent }, "clone", SIGCHLD, 0, 0, 0, 0);
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  program.call("close the report on exec", "fcntl", REPORT, F_SETFD, 1);
  const text = (value: string): ReturnType<ProgramBuilder["string"]> => program.string(Buffer.from(value, "utf8").toString("latin1"));
  const [file = ""] = argv;
  const { results, send } = reportExecutions(program, 1);
  const about = { label: `execute ${file}`, onError: "ignore", ...(results[0] === undefined ? {} : { result: results[0] }) } as const;
  program.call(about, "execve", text(file), program.words([...argv.map(text), 0]), program.words([...env.map(text), 0]));
  send();
  program.call("leave", "exit_group", 127);
  program.mark(parent);
  reapAll(program);
  return program.finish();
}

/**
 * Leaves the calling process to inherit every orphan of what comes next, which another does, and to end when all are dead. What is added
 * to the program is done by that other, until the function it gives is called.
 */
export function beginKept(program: ProgramBuilder): () => void {
  const keeper = program.branch();
  program.call("inherit orphans", "prctl", PR_SET_CHILD_SUBREAPER, 1);
  program.call("die with the helper", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  program.call({ label: "start a process", onPositive: keeper }, "clone", SIGCHLD, 0, 0, 0, 0);
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  return () => {
    program.call("leave", "exit_group", 0);
    program.mark(keeper);
    reapAll(program);
  };
}

/** As {@link beginKept}, but the calling process waits for the other alone, and reports how it ended. */
export function beginReported(program: ProgramBuilder): () => void {
  const parent = program.branch();
  const child = reportWord(program, "child");
  program.call({ label: "start a process", onPositive: parent, result: child.result }, "clone", SIGCHLD, 0, 0, 0, 0);
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  return () => {
    program.mark(parent);
    child.send();
    awaitChild(program);
  };
}

/** Waits for children until there are none, which is an error (125): nobody hears of it, since all descriptors are closed. */
function reapAll(program: ProgramBuilder): void {
  const all = program.words([0x7fff_ffff_ffff_ffffn]);
  program.call("block signals", "rt_sigprocmask", 0, all, 0, 8);
  for (let descriptor = 0; descriptor < OWN_COUNT; descriptor++) program.call({ label: "close", onError: "ignore" }, "close", descriptor);
  const again = program.branch();
  program.mark(again);
  program.call({ label: "wait", onPositive: again }, "wait4", -1, 0, 0, 0);
}

/** Kills what a launcher of {@link beginKept} still has below it once its process has ended; `ended` waits for that. */
export function endWithProcess(launched: Launched): Launched {
  const { pid } = launched.child;
  if (pid === undefined) return launched;
  let timer: NodeJS.Timeout | undefined;
  (launched.child.stdio[3] as NodeJS.ReadableStream | null)?.on("data", () => {
    if (timer === undefined && launched.report().status !== undefined) timer = setInterval(() => killDescendants(pid), INTERVAL);
  });
  launched.child.once("exit", () => clearInterval(timer));
  return launched;
}
