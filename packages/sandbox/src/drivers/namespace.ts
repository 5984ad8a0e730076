import { CAP_SYS_ADMIN, hasCapability } from "../capability.ts";
import type { SandboxDriver } from "../driver.ts";
import { ownIdEntry, privilegedEntry } from "../entries.ts";
import { launch } from "../launcher/launcher.ts";
import { launcherArch } from "../launcher/system-call.ts";
import { probeNamespaces } from "../namespace-probe.ts";
import { stepProgram } from "../step-program.ts";

/**
 * The rung `namespace`: mount, pid, ipc and uts namespaces, with all ids where CAP_SYS_ADMIN is, and one id in a user namespace
 * of an ordinary user. Needs nothing of the host but its kernel.
 */
export const namespaceDriver: SandboxDriver = {
  name: "namespace",
  isolation: "namespaces",
  snapshot: "overlay",
  // for others than root the first would be a vain attempt
  entries: () => [...(process.geteuid?.() === 0 || hasCapability(CAP_SYS_ADMIN) ? [privilegedEntry()] : []), ownIdEntry()],
  probe: probeNamespaces,
  start(step, { place, stdio, foreground }) {
    return launch({ command: [place.launcher], program: stepProgram(step, place, launcherArch()), stdio, detached: !foreground });
  },
  forked: (step, place, pipes) => stepProgram(step, place, launcherArch(), pipes),
  losses(features) {
    return [
      ...(features.ids === "one"
        ? ["all files belong to one user while the step runs: owners it sets are not kept, devices are not made, supplementary groups are missing"]
        : []),
      ...(features.filters ? [] : ["the kernel takes no seccomp filter: a step may make every system call"]),
      ...(features.proc ? [] : ["/proc cannot be mounted here and is empty"]),
    ];
  },
};
