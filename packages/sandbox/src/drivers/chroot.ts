import { readFileSync } from "node:fs";
import { VarveError } from "@varve/errors";
import { DEFAULT_CAPABILITIES } from "../capability.ts";
import { chrootProgram } from "../chroot-program.ts";
import type { SandboxDriver } from "../driver.ts";
import { launch } from "../launcher/launcher.ts";
import { createProgram } from "../launcher/program.ts";
import { launcherArch } from "../launcher/system-call.ts";
import { NO_WORLD } from "../world.ts";
import { endWithProcess, superviseProgram } from "../supervise.ts";
import { refuseNamespaces } from "../unsupported.ts";

/**
 * The rung `chroot`: root in a container of Docker's or containerd's default, with CAP_SYS_CHROOT but no way to mount or to make
 * namespaces. Owners are real; all else is the container's own.
 */
export const chrootDriver: SandboxDriver = {
  name: "chroot",
  snapshot: "flat",
  placed: true,
  isolation: "root directory",
  entries: () => [{ description: "with CAP_SYS_CHROOT", program: (argv, env) => superviseProgram(launcherArch(), argv, env) }],
  async probe(launcher) {
    const program = createProgram(launcherArch());
    program.call("change the root directory", "chroot", program.string("/"));
    program.call("set groups", "setgroups", 0, 0);
    program.call("set the group", "setresgid", NOBODY, NOBODY, NOBODY);
    program.call("set the user", "setresuid", NOBODY, NOBODY, NOBODY);
    const { report } = await launch({ command: [launcher], program: program.finish(), stdio: ["ignore", "ignore", "ignore"] }).ended;
    if (report.failure !== undefined) {
      throw new VarveError("SANDBOX_UNAVAILABLE", `cannot ${report.failure.label} (${report.failure.code})`, {
        hint: "run as root with CAP_SYS_CHROOT, CAP_SETUID and CAP_SETGID, as Docker grants by default",
      });
    }
    return { ...NO_WORLD, filters: false, ids: "real", fileCapabilities: ownCapabilities().includes(CAP_SETFCAP) };
  },
  start(step, { place, stdio, foreground }) {
    refuseNamespaces(step, "chroot");
    const program = chrootProgram(step, ownCapabilities(), launcherArch());
    return endWithProcess(launch({ command: [place.launcher], program, stdio, detached: !foreground }));
  },
  losses: () => [
    "there is no /proc, and nothing but the root directory keeps the step from the container it runs in",
    "mounts are copies put in place: read-only ones can be written to, and what takes the place of one is thrown away, sizes of tmpfs and /dev/shm are not limited, and a shared cache is used by one step at a time",
  ],
};

const NOBODY = 65_534;
const CAP_SETFCAP = 31;

/** Of Docker's capabilities, those that this process may hand on. */
function ownCapabilities(): readonly number[] {
  const [, hex = "0"] = /^CapPrm:\s*([0-9a-f]+)/m.exec(readFileSync("/proc/self/status", "latin1")) ?? [];
  const permitted = BigInt(`0x${hex}`);
  return DEFAULT_CAPABILITIES.filter((capability) => (permitted >> BigInt(capability)) & 1n);
}
