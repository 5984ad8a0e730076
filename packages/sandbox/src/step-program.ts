import { VarveError } from "@varve/errors";
import { awaitChild } from "./enter-program.ts";
import { DEFAULT_CAPABILITIES, lastCapability } from "./capability.ts";
import { beginForked, closeFrom, type ForkPipes } from "./launcher/forked.ts";
import { createProgram, type Program, type ProgramBuilder } from "./launcher/program.ts";
import type { LauncherArch } from "./launcher/system-call.ts";
import { REPORT, reportExecutions, reportWord } from "./launcher/report.ts";
import { AT_FDCWD, MOUNT } from "./mounting.ts";
import { resourceLimitNumber } from "./resource-limit.ts";
import type { SandboxProcess } from "./sandbox-process.ts";
import { installFilter, stepFilter } from "./seccomp.ts";
import type { Ids } from "./user-namespace.ts";
import { buildWorld, openProcSelf, type WorldFeatures } from "./world.ts";

/** What the place allows a step's process. */
export interface ProcessFeatures extends WorldFeatures {
  /** Where there is `one`, another user of a step is mapped to it, and there are no supplementary groups. */
  readonly ids: Ids;
  /** The kernel takes seccomp filters. */
  readonly filters: boolean;
  /** Capabilities that a step gives to files are kept. */
  readonly fileCapabilities: boolean;
  /** Version of Landlock by which a step can be kept from writing to what is not its own; absent or 0 where there is none. */
  readonly landlock?: number;
  /** Steps may call clone3, by whose use proot keeps the memory of a program apart from that of one it has started. */
  readonly clone3?: boolean;
  /** Absolute path of the container runtime that works. */
  readonly runtime?: string;
  /** The kernel can close all descriptors from a number on. */
  readonly closeRange?: boolean;
}

const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const CLONE_NEWUSER = 0x1000_0000;
const CLONE_NEWNET = 0x4000_0000;
/** CLONE_NEWNS, NEWUTS, NEWIPC, NEWPID. */
export const NEW_NAMESPACES: number = 0x0002_0000 | 0x0400_0000 | 0x0800_0000 | 0x2000_0000;
/** What a parent is told by. */
export const SIGCHLD = 17;
const SIGKILL = 9;
const PR_SET_PDEATHSIG = 1;
const F_SETFD = 2;
const TIOCSCTTY = 0x540e;
/** Where a container's first program finds itself open; 3 is its report and 4 its program. */
export const LAUNCHER_INSIDE = 5;
const O_WRONLY = 1;
/** Open descriptors when a step's program starts: 0, 1, 2 and the report; the next to be opened is this. */
export const FREE = 4;
/** With the byte that ends it. */
const PATH_MAX = 4096;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * The program of one step: a process in namespaces of its own builds its world, enters it, takes its limits, capabilities, ids and
 * directory, and executes the command as the namespaces' first process; the launcher waits for it and reports how it ended. The kernel
 * ends that first process only when all others of its pid namespace are dead. With `pipes` it is for a launcher that stays, which makes another of itself
 * for it.
 */
export function stepProgram(step: SandboxProcess, features: ProcessFeatures, arch: LauncherArch, pipes?: ForkPipes): Program {
  const program = createProgram(arch);
  const { uid, gid } = step.user;
  const mapped = features.ids === "one" && (uid !== 0 || gid !== 0);
  const end = pipes === undefined ? undefined : beginForked(program, pipes, features.closeRange);
  if (end === undefined) closeInherited(program);
  const parent = program.branch();
  const child = reportWord(program, "child");
  const namespaces = NEW_NAMESPACES | (step.network === "none" ? CLONE_NEWNET : 0);
  program.call({ label: "make namespaces", onPositive: parent, result: child.result }, "clone", namespaces | SIGCHLD, 0, 0, 0, 0);
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  if (step.terminal) takeTerminal(program);
  program.call("keep mounts private", "mount", 0, program.string("/"), 0, MOUNT.recursive | MOUNT.private, 0);
  if (mapped) openProcSelf(program);
  buildWorld(program, step, features, mapped ? FREE + 1 : FREE);
  const hostname = bytesOf(step.hostname, "host name");
  program.call("set the host name", "sethostname", program.string(hostname), hostname.length);
  program.call({ label: "new keyring", onError: "ignore" }, "keyctl", KEYCTL_JOIN_SESSION_KEYRING, 0);
  if (step.network === "none") raiseLoopback(program, mapped ? FREE + 1 : FREE);
  setLimits(program, step);
  enterDirectory(program, step.cwd);
  if (mapped) mapUser(program, step.user);
  const filter = { deny: !step.insecure, oneId: features.ids === "one" };
  if (features.filters && (filter.deny || filter.oneId)) installFilter(program, stepFilter(arch, filter));
  if (!step.insecure) dropBounds(program);
  if (features.ids !== "one") setUser(program, step.user);
  if (!step.insecure && uid === 0) setCapabilities(program);
  program.call("close the report on exec", "fcntl", REPORT, F_SETFD, 1);
  // changed ids forget it, so it comes last
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  execute(program, step);
  program.mark(parent);
  child.send();
  awaitChild(program);
  end?.();
  return program.finish();
}

/** What is left to do for a step's process inside a container that a runtime made: all but the command where ids are many, its user and restrictions where there is one. */
export function insideProgram(step: SandboxProcess, features: ProcessFeatures, arch: LauncherArch): Program {
  const program = createProgram(arch);
  const { uid, gid } = step.user;
  program.call("close the launcher", "close", LAUNCHER_INSIDE);
  if (step.terminal) program.call({ label: "take the terminal", onError: "ignore" }, "ioctl", 0, TIOCSCTTY, 0);
  if (features.ids === "one") {
    if (uid !== 0 || gid !== 0) {
      openProcSelf(program);
      mapUser(program, step.user);
    }
    if (features.filters) installFilter(program, stepFilter(arch, { deny: !step.insecure, oneId: true }));
    if (!step.insecure) dropBounds(program);
    if (!step.insecure && uid === 0) setCapabilities(program);
  }
  program.call("close the report on exec", "fcntl", REPORT, F_SETFD, 1);
  execute(program, step);
  return program.finish();
}

/** Makes the process the leader of a session whose terminal is its standard input, so that a shell there can control jobs. */
export function takeTerminal(program: ProgramBuilder): void {
  program.call("make a session", "setsid");
  program.call("take the terminal", "ioctl", 0, TIOCSCTTY, 0);
}

/** Closes all descriptors of the helper's, its channel among them. */
export function closeInherited(program: ProgramBuilder, free: number = FREE): void {
  closeFrom(program, free);
}

/** Resource limits and umask. */
export function setLimits(program: ProgramBuilder, { ulimits }: Pick<SandboxProcess, "ulimits">): void {
  for (const limit of ulimits) {
    const value = program.words([limit.soft, limit.hard]);
    program.call(`set ulimit ${limit.name}`, "prlimit64", 0, resourceLimitNumber(limit.name), value, 0);
  }
  program.call("set the umask", "umask", 0o022);
}

/** Supplementary groups, group and user. */
export function setUser(program: ProgramBuilder, { uid, gid, groups }: SandboxProcess["user"]): void {
  const bytes = Buffer.alloc(groups.length * 4);
  for (const [i, group] of groups.entries()) bytes.writeUInt32LE(group, i * 4);
  program.call("set the groups", "setgroups", groups.length, program.data(bytes));
  program.call("set the group", "setresgid", gid, gid, gid);
  program.call("set the user", "setresuid", uid, uid, uid);
}

function raiseLoopback(program: ProgramBuilder, descriptor: number): void {
  const [AF_INET, SOCK_DGRAM, SIOCSIFFLAGS, UP_RUNNING] = [2, 2, 0x8914, 0x41];
  const request = Buffer.alloc(40);
  request.write("lo");
  request.writeUInt16LE(UP_RUNNING, 16);
  program.call("raise the loopback", "socket", AF_INET, SOCK_DGRAM, 0);
  program.call("raise the loopback", "ioctl", descriptor, SIOCSIFFLAGS, program.data(request));
  program.call("raise the loopback", "close", descriptor);
}

/** The step's ids become the only ones of a user namespace of its own: 0 outside, which is who started the build further out. */
function mapUser(program: ProgramBuilder, user: SandboxProcess["user"]): void {
  program.call("new user namespace", "unshare", CLONE_NEWUSER);
  for (const [file, text] of [
    ["setgroups", "deny"],
    ["uid_map", `${user.uid} 0 1`],
    ["gid_map", `${user.gid} 0 1`],
  ] as const) {
    program.call(`open ${file}`, "openat", FREE, program.string(file), O_WRONLY);
    program.call(`write ${file}`, "write", FREE + 1, program.string(text), text.length);
    program.call(`close ${file}`, "close", FREE + 1);
  }
  program.call("close /proc/self", "close", FREE);
}

/** Drops what Docker does not grant from the bounding set. */
export function dropBounds(program: ProgramBuilder): void {
  for (let capability = 0; capability <= lastCapability(); capability++) {
    if (DEFAULT_CAPABILITIES.includes(capability)) continue;
    // a kernel that does not know the number says EINVAL
    program.call({ label: `drop capability ${capability}`, onError: "ignore" }, "prctl", PR_CAPBSET_DROP, capability);
  }
  program.call({ label: "clear ambient capabilities", onError: "ignore" }, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

/** Takes these capabilities and no others; by default Docker's. */
export function setCapabilities(program: ProgramBuilder, capabilities: readonly number[] = DEFAULT_CAPABILITIES): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x2008_0522, 0); // _LINUX_CAPABILITY_VERSION_3
  let low = 0;
  for (const capability of capabilities) low |= 1 << capability;
  const sets = Buffer.alloc(24);
  sets.writeUInt32LE(low >>> 0, 0); // effective
  sets.writeUInt32LE(low >>> 0, 4); // permitted
  program.call("set the capabilities", "capset", program.data(header), program.data(sets));
}

/** Enters the working directory, made when missing. */
export function enterDirectory(program: ProgramBuilder, directory: string): void {
  const cwd = directoryBytes(directory);
  const label = `enter ${directory}`;
  program.call(label, "chdir", program.string("/"));
  // name by name: whole paths of a deep one would take a program of megabytes
  for (const name of cwd.split("/")) {
    if (name === "") continue;
    program.call({ label, onError: "ignore" }, "mkdirat", AT_FDCWD, program.string(name), 0o755);
    program.call(label, "chdir", program.string(name));
  }
}

/** A working directory as the system has it; throws SANDBOX_INVALID_PROCESS for one that is no path. */
export function directoryBytes(directory: string): string {
  const bytes = bytesOf(directory, "working directory");
  if (bytes.length < PATH_MAX) return bytes;
  const message = `the working directory ${directory.slice(0, 40)}… has ${bytes.length} bytes, and a path has at most ${PATH_MAX - 1}`;
  throw new VarveError("SANDBOX_INVALID_PROCESS", message);
}

/** Executes the command, looked for in the step's own PATH; tells why each candidate cannot be executed. */
export function execute(program: ProgramBuilder, step: SandboxProcess): void {
  const args = step.args.map((argument) => bytesOf(argument, "argument"));
  const env = step.env.map((variable) => bytesOf(variable, "environment variable"));
  const name = args[0] ?? "";
  if (name === "") throw new VarveError("SANDBOX_INVALID_PROCESS", "the command is empty");
  const argv = program.words([...args.map((text) => program.string(text)), 0]);
  const envp = program.words([...env.map((text) => program.string(text)), 0]);
  const path = env.findLast((variable) => variable.startsWith("PATH="))?.slice(5) || DEFAULT_PATH;
  const candidates = name.includes("/") ? [name] : path.split(":").map((directory) => `${directory === "" ? "." : directory}/${name}`);
  const { results, send } = reportExecutions(program, candidates.length);
  for (const [i, candidate] of candidates.entries()) {
    program.call(
      { label: `execute ${candidate}`, onError: "ignore", ...(results[i] === undefined ? {} : { result: results[i] }) },
      "execve",
      program.string(candidate),
      argv,
      envp,
    );
  }
  send();
  program.call("leave", "exit_group", 127);
}

function bytesOf(text: string, what: string): string {
  if (text.includes("\0")) throw new VarveError("SANDBOX_INVALID_PROCESS", `${what} ${JSON.stringify(text.slice(0, 80))} holds a NUL byte`);
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The errno of a command that no execve call could start: that of a program found but not executable before "not found". */
export function execErrno(results: readonly number[]): number {
  const [ENOENT, EACCES, ENOTDIR] = [2, 13, 20];
  const errnos = results.map((result) => -result);
  return errnos.find((e) => e !== ENOENT && e !== EACCES && e !== ENOTDIR) ?? errnos.find((e) => e === EACCES) ?? ENOENT;
}
