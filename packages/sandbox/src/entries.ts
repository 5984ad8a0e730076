import { readFileSync, statSync, writeFileSync } from "node:fs";
import { VarveError } from "@varve/errors";
import type { SandboxEntry } from "./driver.ts";
import { type EnterOptions, enterProgram } from "./enter-program.ts";
import { requireHostTool } from "./host-tool.ts";
import { launcherArch } from "./launcher/system-call.ts";
import { namespacePolicy, namespaceRemedy } from "./remedy.ts";
import { createSubIdMapper } from "./sub-ids.ts";

/** Into namespaces without one for users: needs CAP_SYS_ADMIN, and leaves all ids what they are. */
export function privilegedEntry(): SandboxEntry {
  const arch = launcherArch();
  return { description: "with CAP_SYS_ADMIN", program: (argv, env) => enterProgram({ arch, argv, env }) };
}

/** Into a user namespace with this process's own id as 0 and no other. */
export function ownIdEntry(): SandboxEntry {
  const arch = launcherArch();
  const [uid, gid] = [process.geteuid?.() ?? 0, process.getegid?.() ?? 0];
  return { description: "in a user namespace with one id", program: (argv, env) => enterProgram({ arch, argv, env, mapped: { uid, gid } }) };
}

/** Into a user namespace with the ids of /etc/subuid and /etc/subgid. That they, or the programs that give them, are missing shows once it is made. */
export function subIdEntry(): SandboxEntry {
  const arch = launcherArch();
  return {
    description: "in a user namespace with the ids of /etc/subuid",
    program: (argv, env) => enterProgram({ arch, argv, env, mapped: "from outside" }),
    admit: async (pid, signal) => createSubIdMapper().give(pid, signal),
  };
}

/** What bubblewrap is told: everything of the host, a user namespace with one id that is root, and a pid namespace whose first process is the helper. */
const BUBBLEWRAP = "--dev-bind / / --unshare-user --unshare-pid --as-pid-1 --uid 0 --gid 0 --cap-add ALL --die-with-parent --".split(" ");

/** Into a user namespace with one id that bubblewrap makes, where only it may: `program` throws SANDBOX_UNAVAILABLE when it is missing. */
export function bubblewrapEntry(as?: EnterOptions["as"]): SandboxEntry {
  const arch = launcherArch();
  return {
    description: "by bubblewrap",
    remedy: namespaceRemedy(namespacePolicy()),
    program: (argv, env) => enterProgram({ arch, argv, env, by: [bubblewrapPath(), ...BUBBLEWRAP], ...(as === undefined ? {} : { as }) }),
  };
}

function bubblewrapPath(): string {
  const path = requireHostTool("bwrap", "bubblewrap");
  if (process.geteuid?.() !== 0 && (statSync(path).mode & S_ISUID) !== 0) {
    throw new VarveError("SANDBOX_UNAVAILABLE", `${path} is set-user-ID: what it starts for ordinary users can mount nothing`, {
      hint: `where unprivileged user namespaces are allowed, take the bit off: chmod u-s ${path}`,
    });
  }
  return path;
}

const S_ISUID = 0o4000;

/** More than any image uses, and fewer than all there are: a namespace with all would look like the first one. */
const MOST = 2 ** 31;

/** Into a user namespace with the same ids as outside, which CAP_SETUID and CAP_SETGID are enough for: root without CAP_SYS_ADMIN. */
export function sameIdsEntry(): SandboxEntry {
  const arch = launcherArch();
  return {
    description: "in a user namespace with root's own ids",
    program: (argv, env) => enterProgram({ arch, argv, env, mapped: "from outside" }),
    admit(pid) {
      for (const file of ["uid_map", "gid_map"]) {
        const extents = readFileSync(`/proc/self/${file}`, "utf8").trim().split("\n");
        const lines = extents.map((line) => {
          const [inside = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
          return `${inside} ${inside} ${Math.min(count, MOST)}\n`;
        });
        try {
          writeFileSync(`/proc/${pid}/${file}`, lines.join(""));
        } catch (cause) {
          const code = (cause as NodeJS.ErrnoException).code ?? "";
          return Promise.reject(
            new VarveError("SANDBOX_UNAVAILABLE", `cannot write ${file} (${code})`, { cause, hint: "root with CAP_SETUID and CAP_SETGID may" }),
          );
        }
      }
      return Promise.resolve();
    },
  };
}
