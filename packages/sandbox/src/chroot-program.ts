import { createProgram, type Program } from "./launcher/program.ts";
import { REPORT } from "./launcher/report.ts";
import type { LauncherArch } from "./launcher/system-call.ts";
import type { SandboxProcess } from "./sandbox-process.ts";
import { closeInherited, dropBounds, enterDirectory, execute, setCapabilities, setLimits, setUser, takeTerminal } from "./step-program.ts";
import { beginKept, beginReported } from "./supervise.ts";

const KEYCTL_JOIN_SESSION_KEYRING = 1;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const F_SETFD = 2;

/**
 * The program of one step where nothing can be mounted and no namespace made: a process changes its root directory, takes its limits,
 * capabilities, ids and directory, and executes the command. `capabilities` are those this process has of Docker's.
 */
export function chrootProgram(step: SandboxProcess, capabilities: readonly number[], arch: LauncherArch): Program {
  const program = createProgram(arch);
  closeInherited(program);
  const endKept = beginKept(program);
  const endReported = beginReported(program);
  if (step.terminal) takeTerminal(program);
  program.call({ label: "new keyring", onError: "ignore" }, "keyctl", KEYCTL_JOIN_SESSION_KEYRING, 0);
  setLimits(program, step);
  program.call("change the root", "chroot", program.string(step.root));
  program.call("enter the root", "chdir", program.string("/"));
  enterDirectory(program, step.cwd);
  dropBounds(program);
  setUser(program, step.user);
  if (step.user.uid === 0) setCapabilities(program, capabilities);
  program.call("close the report on exec", "fcntl", REPORT, F_SETFD, 1);
  // changed ids forget it, so it comes last
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  execute(program, step);
  endReported();
  endKept();
  return program.finish();
}
