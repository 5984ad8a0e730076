import { readFileSync } from "node:fs";

/** What decides here whether a process may make namespaces; settings a kernel does not have are absent. */
export interface NamespacePolicy {
  readonly root: boolean;
  /** A seccomp filter lies over this process, as in most containers. */
  readonly filtered: boolean;
  /** `kernel.unprivileged_userns_clone`, of Debian and Arch. */
  readonly unprivilegedClone?: number;
  /** `user.max_user_namespaces`. */
  readonly maxUserNamespaces?: number;
  /** `kernel.apparmor_restrict_unprivileged_userns`, of Ubuntu. */
  readonly apparmorRestricts?: number;
}

/** Reads this process's {@link NamespacePolicy}. */
export function namespacePolicy(): NamespacePolicy {
  const unprivilegedClone = setting("kernel/unprivileged_userns_clone");
  const maxUserNamespaces = setting("user/max_user_namespaces");
  const apparmorRestricts = setting("kernel/apparmor_restrict_unprivileged_userns");
  return {
    root: process.geteuid?.() === 0,
    filtered: /^Seccomp:\s*2$/m.test(textOf("/proc/self/status")),
    ...(unprivilegedClone === undefined ? {} : { unprivilegedClone }),
    ...(maxUserNamespaces === undefined ? {} : { maxUserNamespaces }),
    ...(apparmorRestricts === undefined ? {} : { apparmorRestricts }),
  };
}

/** What would let a process make namespaces where it may not. */
export function namespaceRemedy(policy: NamespacePolicy): string {
  if (policy.filtered) {
    return policy.root
      ? "let the container's seccomp profile allow clone, unshare and mount (Docker: --security-opt seccomp=unconfined)"
      : "let the pod's seccomp profile allow clone, unshare and mount (Kubernetes: seccompProfile of type Unconfined or Localhost)";
  }
  if (policy.root && policy.maxUserNamespaces !== 0) return "grant CAP_SYS_ADMIN";
  if (policy.unprivilegedClone === 0) return "as root: sysctl kernel.unprivileged_userns_clone=1";
  if (policy.maxUserNamespaces === 0) return "as root: sysctl user.max_user_namespaces=15000";
  if (policy.apparmorRestricts === 1) return "as root: sysctl kernel.apparmor_restrict_unprivileged_userns=0, or install bubblewrap";
  return "run as root with CAP_SYS_ADMIN, or where unprivileged user namespaces are allowed";
}

function setting(name: string): number | undefined {
  const text = textOf(`/proc/sys/${name}`);
  return text === "" ? undefined : Number(text);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    // another kernel's setting, or a container that hides it
    return "";
  }
}
