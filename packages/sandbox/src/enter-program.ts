import { createProgram, type Program, type ProgramBuilder } from "./launcher/program.ts";
import { REPORT, reportExecutions, reportWord } from "./launcher/report.ts";
import type { LauncherArch } from "./launcher/system-call.ts";
import { AT_FDCWD, MOUNT } from "./mounting.ts";

/** What is executed inside new mount and pid namespaces, and as whom. */
export interface EnterOptions {
  readonly arch: LauncherArch;
  /** The program's absolute path and its arguments. */
  readonly argv: readonly string[];
  readonly env: readonly string[];
  /** Makes a user namespace too: one in which this outside id is 0 and the only one, or one whose ids another process gives it before it goes on. */
  readonly mapped?: { readonly uid: number; readonly gid: number } | "from outside";
  /** A program of the host, with its arguments, that makes the namespaces and executes the rest of its command line in them. */
  readonly by?: readonly string[];
  /** Gives up root for other ids first. */
  readonly as?: { readonly uid: number; readonly gid: number };
}

const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWUSER = 0x1000_0000;
const CLONE_NEWPID = 0x2000_0000;
const SIGCHLD = 17;
const SIGKILL = 9;
const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const O_WRONLY = 1;
const F_SETFD = 2;
/** Descriptors from here on are the program's own; 3 and 4 are the launcher's, and 4 is closed. */
const OWN = 5;
/** Where a process that is given its ids from outside waits for a byte. */
export const ADMISSION = 9;
const OWN_COUNT = 16;

/**
 * The program by which a helper process gets into namespaces: it is the first process of a pid namespace, so that whatever becomes of
 * it, all it started dies with it, and it dies with the launcher, which waits for it.
 */
export function enterProgram(options: EnterOptions): Program {
  const program = createProgram(options.arch);
  if (options.as !== undefined) takeIds(program, options.as);
  const parent = program.branch();
  const namespaces = options.by !== undefined ? 0 : CLONE_NEWNS | CLONE_NEWPID | (options.mapped === undefined ? 0 : CLONE_NEWUSER);
  const child = reportWord(program, "child");
  program.call({ label: "make namespaces", onPositive: parent, result: child.result }, "clone", namespaces | SIGCHLD, 0, 0, 0, 0);
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  if (options.mapped === "from outside") awaitAdmission(program);
  else if (options.mapped !== undefined) mapIds(program, options.mapped);
  if (options.by === undefined) program.call("keep mounts private", "mount", 0, program.string("/"), 0, MOUNT.recursive | MOUNT.private, 0);
  program.call("close the report on exec", "fcntl", REPORT, F_SETFD, 1);
  const text = (value: string): ReturnType<ProgramBuilder["string"]> => program.string(Buffer.from(value, "utf8").toString("latin1"));
  const argv = [...(options.by ?? []), ...options.argv];
  const [file = ""] = argv;
  const { results, send } = reportExecutions(program, 1);
  const about = { label: `execute ${file}`, onError: "ignore", ...(results[0] === undefined ? {} : { result: results[0] }) } as const;
  program.call(about, "execve", text(file), program.words([...argv.map(text), 0]), program.words([...options.env.map(text), 0]));
  send();
  program.call("leave", "exit_group", 127);
  program.mark(parent);
  child.send();
  awaitChild(program);
  return program.finish();
}

function awaitAdmission(program: ProgramBuilder): void {
  const admitted = program.branch();
  program.call({ label: "wait to be given ids", onPositive: admitted }, "read", ADMISSION, program.buffer(8), 1);
  // who should have given them is gone
  program.call("leave", "exit_group", 127);
  program.mark(admitted);
  program.call("close the admission", "close", ADMISSION);
  program.call("give up groups", "setgroups", 0, 0);
  program.call("be root", "setresgid", 0, 0, 0);
  program.call("be root", "setresuid", 0, 0, 0);
  program.call("own /proc/self", "prctl", PR_SET_DUMPABLE, 1);
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
}

/**
 * What a launcher does once it has made a process: it lets go of all descriptors but the report, is out of reach of the terminal, since its
 * end must not come before the other's,
 * and reports how that ended, unless the other does.
 */
export function awaitChild(program: ProgramBuilder, { silent = false }: { readonly silent?: boolean } = {}): void {
  const all = program.words([0x7fff_ffff_ffff_ffffn]);
  program.call("block signals", "rt_sigprocmask", 0, all, 0, 8);
  for (const descriptor of [0, 1, 2, ...Array.from({ length: OWN_COUNT }, (_, i) => OWN + i)]) {
    program.call({ label: "close", onError: "ignore" }, "close", descriptor);
  }
  const status = reportWord(program, "status");
  program.call("wait", "wait4", -1, status.result, 0, 0);
  if (!silent) status.send();
}

/** Gives up root. */
export function takeIds(program: ProgramBuilder, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  program.call("give up groups", "setgroups", 0, 0);
  program.call("set the group", "setresgid", gid, gid, gid);
  program.call("set the user", "setresuid", uid, uid, uid);
  // changed ids take the process's own /proc files away from it
  program.call("own /proc/self", "prctl", PR_SET_DUMPABLE, 1);
}

/** Maps one id outside to 0 inside, as an ordinary user may. */
function mapIds(program: ProgramBuilder, { uid, gid }: { readonly uid: number; readonly gid: number }): void {
  for (const [name, text] of [
    ["setgroups", "deny"],
    ["uid_map", `0 ${uid} 1`],
    ["gid_map", `0 ${gid} 1`],
  ] as const) {
    // 4 is closed, and so the lowest free descriptor
    program.call(`open ${name}`, "openat", AT_FDCWD, program.string(`/proc/self/${name}`), O_WRONLY);
    program.call(`write ${name}`, "write", 4, program.string(text), text.length);
    program.call(`close ${name}`, "close", 4);
  }
}
