import { VarveError } from "@varve/errors";
import { DEFAULT_CAPABILITIES, LAST_CAPABILITY } from "./capability.ts";
import { createProgram, type Program, type ProgramBuilder } from "./launcher/program.ts";
import type { LauncherArch } from "./launcher/system-call.ts";
import { AT_FDCWD } from "./mounting.ts";
import { resourceLimitNumber } from "./resource-limit.ts";
import type { SandboxProcess } from "./sandbox-process.ts";
import { buildWorld, openProcSelf, type WorldFeatures } from "./world.ts";

/** What the place allows a step's process. */
export interface ProcessFeatures extends WorldFeatures {
  /** `real`: any uid, gid and supplementary groups; `one`: a single id, which another user of a step is mapped to. */
  readonly ids: "real" | "one";
}

const PR_CAPBSET_DROP = 24;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;
const KEYCTL_JOIN_SESSION_KEYRING = 1;
const CLONE_NEWUSER = 0x1000_0000;
const F_SETFD = 2;
const O_WRONLY = 1;
const REPORT = 3;
/** Open descriptors when a step's program starts: 0, 1, 2 and the report; the next to be opened is this. */
const FREE = 4;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** Words before the results of the execve calls, so that their report is longer than that of a failed call. */
const EXEC_REPORT_HEAD = 11;

/**
 * The program of one step: build its world, enter it, take its limits, capabilities, ids and directory, and execute it. For a
 * launcher started in new mount, pid, uts, ipc (and network, for `none`) namespaces.
 */
export function stepProgram(step: SandboxProcess, features: ProcessFeatures, arch: LauncherArch): Program {
  const program = createProgram(arch);
  const { uid, gid } = step.user;
  const mapped = features.ids === "one" && (uid !== 0 || gid !== 0);
  program.call({ label: "close descriptors", onError: "ignore" }, "close_range", FREE, 0xffff_ffff, 0);
  if (mapped) openProcSelf(program);
  buildWorld(program, step, features, mapped ? FREE + 1 : FREE);
  const hostname = bytesOf(step.hostname, "host name");
  program.call("set the host name", "sethostname", program.string(hostname), hostname.length);
  program.call({ label: "new keyring", onError: "ignore" }, "keyctl", KEYCTL_JOIN_SESSION_KEYRING, 0);
  if (step.network === "none") raiseLoopback(program, mapped ? FREE + 1 : FREE);
  for (const limit of step.ulimits) {
    const value = program.words([limit.soft, limit.hard]);
    program.call(`set ulimit ${limit.name}`, "prlimit64", 0, resourceLimitNumber(limit.name), value, 0);
  }
  program.call("set the umask", "umask", 0o022);
  enterDirectory(program, step.cwd);
  if (mapped) mapUser(program, step.user);
  if (!step.insecure) dropBounds(program);
  if (features.ids === "real") {
    const groups = Buffer.alloc(step.user.groups.length * 4);
    for (const [i, group] of step.user.groups.entries()) groups.writeUInt32LE(group, i * 4);
    program.call("set the groups", "setgroups", step.user.groups.length, program.data(groups));
    program.call("set the group", "setresgid", gid, gid, gid);
    program.call("set the user", "setresuid", uid, uid, uid);
  }
  if (!step.insecure && uid === 0) setCapabilities(program);
  program.call("close the report on exec", "fcntl", REPORT, F_SETFD, 1);
  execute(program, step);
  return program.finish();
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
  for (const [file, text] of [["setgroups", "deny"], ["uid_map", `${user.uid} 0 1`], ["gid_map", `${user.gid} 0 1`]] as const) {
    program.call(`open ${file}`, "openat", FREE, program.string(file), O_WRONLY);
    program.call(`write ${file}`, "write", FREE + 1, program.string(text), text.length);
    program.call(`close ${file}`, "close", FREE + 1);
  }
  program.call("close /proc/self", "close", FREE);
}

function dropBounds(program: ProgramBuilder): void {
  for (let capability = 0; capability <= LAST_CAPABILITY; capability++) {
    if (DEFAULT_CAPABILITIES.includes(capability)) continue;
    // a kernel that does not know the number says EINVAL
    program.call({ label: `drop capability ${capability}`, onError: "ignore" }, "prctl", PR_CAPBSET_DROP, capability);
  }
  program.call({ label: "clear ambient capabilities", onError: "ignore" }, "prctl", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

function setCapabilities(program: ProgramBuilder): void {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(0x2008_0522, 0); // _LINUX_CAPABILITY_VERSION_3
  let low = 0;
  for (const capability of DEFAULT_CAPABILITIES) low |= 1 << capability;
  const sets = Buffer.alloc(24);
  sets.writeUInt32LE(low >>> 0, 0); // effective
  sets.writeUInt32LE(low >>> 0, 4); // permitted
  program.call("set the capabilities", "capset", program.data(header), program.data(sets));
}

function enterDirectory(program: ProgramBuilder, directory: string): void {
  const cwd = bytesOf(directory, "working directory");
  let path = "";
  for (const name of cwd.split("/")) {
    if (name === "") continue;
    path += `/${name}`;
    program.call({ label: `make ${path}`, onError: "ignore" }, "mkdirat", AT_FDCWD, program.string(path), 0o755);
  }
  program.call(`enter ${directory}`, "chdir", program.string(path === "" ? "/" : path));
}

function execute(program: ProgramBuilder, step: SandboxProcess): void {
  const args = step.args.map((argument) => bytesOf(argument, "argument"));
  const env = step.env.map((variable) => bytesOf(variable, "environment variable"));
  const name = args[0] ?? "";
  if (name === "") throw new VarveError("SANDBOX_INVALID_PROCESS", "the command is empty");
  const argv = program.words([...args.map((text) => program.string(text)), 0]);
  const envp = program.words([...env.map((text) => program.string(text)), 0]);
  const path = env.findLast((variable) => variable.startsWith("PATH="))?.slice(5) || DEFAULT_PATH;
  const candidates = name.includes("/") ? [name] : path.split(":").map((directory) => `${directory === "" ? "." : directory}/${name}`);
  const head = program.buffer(8 * EXEC_REPORT_HEAD);
  const results = candidates.map(() => program.buffer(8));
  for (const [i, candidate] of candidates.entries()) {
    program.call({ label: `execute ${candidate}`, onError: "ignore", ...(results[i] === undefined ? {} : { result: results[i] }) }, "execve", program.string(candidate), argv, envp);
  }
  program.call("report", "write", REPORT, head, 8 * (EXEC_REPORT_HEAD + candidates.length));
  program.call("leave", "exit_group", 127);
}

function bytesOf(text: string, what: string): string {
  if (text.includes("\0")) throw new VarveError("SANDBOX_INVALID_PROCESS", `${what} ${JSON.stringify(text.slice(0, 80))} holds a NUL byte`);
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The errno a report of execve calls tells of: that of a program found but not executable before "not found". `undefined` when it is none. */
export function execErrno(report: Uint8Array): number | undefined {
  if (report.length < 8 * EXEC_REPORT_HEAD) return undefined;
  const view = Buffer.from(report);
  const errnos: number[] = [];
  for (let at = 8 * EXEC_REPORT_HEAD; at + 8 <= view.length; at += 8) errnos.push(-Number(view.readBigInt64LE(at)));
  const [ENOENT, EACCES, ENOTDIR] = [2, 13, 20];
  return errnos.find((e) => e !== ENOENT && e !== EACCES && e !== ENOTDIR) ?? errnos.find((e) => e === EACCES) ?? ENOENT;
}
