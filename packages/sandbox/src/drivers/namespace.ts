import { VarveError } from "@varve/errors";
import type { SandboxDriver } from "../driver.ts";
import { requireHostTool } from "../host-tool.ts";
import { errorName, launch } from "../launcher/launcher.ts";
import { createProgram } from "../launcher/program.ts";
import { launcherArch } from "../launcher/system-call.ts";
import { MOUNT } from "../mounting.ts";
import { stepProgram } from "../step-program.ts";
import { userNamespace } from "../user-namespace.ts";

const STEP_NAMESPACES = ["--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"];

/**
 * The rung `namespace`: mount, pid, ipc and uts namespaces, with all ids where CAP_SYS_ADMIN is, and one id in a user namespace
 * of an ordinary user. Needs unshare of util-linux.
 */
export const namespaceDriver: SandboxDriver = {
  name: "namespace",
  snapshot: "overlay",
  entries() {
    const unshare = requireHostTool("unshare", "util-linux");
    // the pid namespace makes sure that whatever becomes of the helper, what it started dies with it
    const flags = ["--mount", "--propagation", "private", "--pid", "--fork", "--kill-child"];
    return [
      { description: "with CAP_SYS_ADMIN", command: (program) => [unshare, ...flags, "--", ...program] },
      { description: "in a user namespace", command: (program) => [unshare, "--user", "--map-root-user", ...flags, "--", ...program] },
    ];
  },
  async probe(launcher) {
    const arch = launcherArch();
    const program = createProgram(arch);
    const results = program.buffer(8 * 16);
    const attempts: string[] = [];
    const attempt = (label: string, name: Parameters<typeof program.call>[1], ...args: readonly (number | { readonly address: number })[]): void => {
      program.call({ label, onError: "ignore", result: { address: results.address + 8 * attempts.length } }, name, ...args);
      attempts.push(label);
    };
    const mount = (type: string, data = ""): void => attempt(type, "mount", program.string(type), program.string("/tmp"), program.string(type), MOUNT.nosuid, program.string(data));
    // mounted over each other on a directory every host has, in a namespace of their own
    mount("tmpfs");
    mount("proc");
    mount("sysfs");
    mount("mqueue");
    mount("devpts", "newinstance,ptmxmode=0666,mode=0620,gid=5");
    attempt("mount_setattr", "mount_setattr", -1, 0, 0, 0, 0);
    program.call("report", "write", 3, results, 8 * 16);
    const unshare = requireHostTool("unshare", "util-linux");
    const { ended } = launch({ command: [unshare, ...STEP_NAMESPACES, "--", launcher], program: program.finish(), stdio: ["ignore", "ignore", "ignore"] });
    const { report, failure } = await ended;
    if (failure !== undefined || report.length !== 8 * 16) {
      throw new VarveError("SANDBOX_UNAVAILABLE", "new mount, pid, uts and ipc namespaces cannot be made", { hint: "run with CAP_SYS_ADMIN, or where unprivileged user namespaces are allowed" });
    }
    const view = Buffer.from(report);
    const errno = (label: string): number => Math.max(0, -Number(view.readBigInt64LE(8 * attempts.indexOf(label))));
    if (errno("tmpfs") !== 0) throw new VarveError("SANDBOX_UNAVAILABLE", `a tmpfs cannot be mounted (${errorName(errno("tmpfs"))})`);
    const [ENOSYS] = [38];
    return { proc: errno("proc") === 0, sysfs: errno("sysfs") === 0, mqueue: errno("mqueue") === 0, ttyGroup: errno("devpts") === 0, setattr: errno("mount_setattr") !== ENOSYS, ids: userNamespace().ids };
  },
  start(step, { place, stdio, foreground }) {
    const unshare = requireHostTool("unshare", "util-linux");
    const network = step.network === "none" ? ["--net"] : [];
    return launch({
      command: [unshare, ...STEP_NAMESPACES, ...network, "--", place.launcher],
      program: stepProgram(step, place, launcherArch()),
      stdio,
      detached: !foreground,
    });
  },
  losses(features) {
    return [
      ...(features.ids === "one" ? ["all files belong to one user while the step runs: owners it sets are not kept"] : []),
      ...(features.proc ? [] : ["/proc cannot be mounted here and is empty"]),
    ];
  },
};
