import { VarveError } from "@varve/errors";
import { createProgram } from "./launcher/program.ts";
import { runProgram } from "./launcher/program-runner.ts";
import { errorName, reportExecutions } from "./launcher/report.ts";
import { launcherArch } from "./launcher/system-call.ts";
import { MOUNT } from "./mounting.ts";
import { namespacePolicy, namespaceRemedy } from "./remedy.ts";
import { NEW_NAMESPACES, type ProcessFeatures, SIGCHLD } from "./step-program.ts";
import { userNamespace } from "./user-namespace.ts";

/** What a step's world may hold, with the options it would have. */
const ATTEMPTS = [
  ["tmpfs", ""],
  ["proc", ""],
  ["sysfs", ""],
  ["mqueue", ""],
  ["devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5"],
  ["mount_setattr", ""],
  ["seccomp", ""],
  ["close_range", ""],
] as const;
type Attempt = (typeof ATTEMPTS)[number][0];

const SECCOMP_GET_ACTION_AVAIL = 2;
const SECCOMP_RET_ERRNO = 0x0005_0000;
/** A descriptor's number that no process has open. */
const UNUSED = 0x7fff_ffff;

/** Tries the namespaces and mounts of a step where this process is. Throws SANDBOX_UNAVAILABLE with what failed. */
export async function probeNamespaces(launcher: string): Promise<ProcessFeatures> {
  const arch = launcherArch();
  const program = createProgram(arch);
  const namespaces = NEW_NAMESPACES | SIGCHLD;
  const parent = program.branch();
  program.call({ label: "make namespaces", onPositive: parent }, "clone", namespaces, 0, 0, 0, 0);
  const { results, send } = reportExecutions(program, ATTEMPTS.length);
  // mounted over each other on a directory every host has, in a namespace of their own
  for (const [i, [type, data]] of ATTEMPTS.entries()) {
    const about = { label: `try ${type}`, onError: "ignore", ...(results[i] === undefined ? {} : { result: results[i] }) } as const;
    if (type === "mount_setattr") program.call(about, "mount_setattr", -1, 0, 0, 0, 0);
    else if (type === "seccomp") program.call(about, "seccomp", SECCOMP_GET_ACTION_AVAIL, 0, program.words([SECCOMP_RET_ERRNO]));
    else if (type === "close_range") program.call(about, "close_range", UNUSED, UNUSED, 0);
    else program.call(about, "mount", program.string(type), program.string("/tmp"), program.string(type), MOUNT.nosuid, program.string(data));
  }
  send();
  program.call("leave", "exit_group", 0);
  program.mark(parent);
  program.call("wait", "wait4", -1, 0, 0, 0);
  const report = await runProgram(launcher, program.finish());
  if (report.execute === undefined) {
    throw new VarveError("SANDBOX_UNAVAILABLE", `cannot ${report.failure?.label ?? "start a process"} (${report.failure?.code ?? "killed"})`, {
      hint: namespaceRemedy(namespacePolicy()),
    });
  }
  const errnos = new Map(ATTEMPTS.map(([type], i) => [type, Math.max(0, -(report.execute?.[i] ?? 0))]));
  const errno = (type: Attempt): number => errnos.get(type) ?? 0;
  if (errno("tmpfs") !== 0) throw new VarveError("SANDBOX_UNAVAILABLE", `a tmpfs cannot be mounted (${errorName(errno("tmpfs"))})`);
  const [ENOSYS] = [38];
  return {
    proc: errno("proc") === 0,
    sysfs: errno("sysfs") === 0,
    mqueue: errno("mqueue") === 0,
    ttyGroup: errno("devpts") === 0,
    setattr: errno("mount_setattr") !== ENOSYS,
    ids: userNamespace().ids,
    fileCapabilities: true,
    filters: errno("seccomp") === 0,
    closeRange: errno("close_range") === 0,
  };
}
