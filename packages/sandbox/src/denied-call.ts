/** A system call by name with its numbers: on x64, on arm64, and in x64's table for 32-bit programs; -1 where it does not exist. */
type Numbered = readonly [name: string, x64: number, arm64: number, i386: number];

/**
 * What Docker's default profile does not let a container call without further capabilities (moby `profiles/seccomp/default_linux.go`):
 * mounts and namespaces, modules, the clock, keys, tracing of the kernel, swap, memory placement, other processes' insides, and
 * interfaces that had many holes.
 */
export const DENIED_CALLS: readonly Numbered[] = [
  ["acct", 163, 89, 51],
  ["add_key", 248, 217, 286],
  ["bpf", 321, 280, 357],
  ["clock_adjtime", 305, 266, 343],
  ["clock_adjtime64", -1, -1, 405],
  ["clock_settime", 227, 112, 264],
  ["clock_settime64", -1, -1, 404],
  ["create_module", 174, -1, 127],
  ["delete_module", 176, 106, 129],
  ["fanotify_init", 300, 262, 338],
  ["finit_module", 313, 273, 350],
  ["fsconfig", 431, 431, 431],
  ["fsmount", 432, 432, 432],
  ["fsopen", 430, 430, 430],
  ["fspick", 433, 433, 433],
  ["get_kernel_syms", 177, -1, 130],
  ["get_mempolicy", 239, 236, 275],
  ["init_module", 175, 105, 128],
  ["io_uring_enter", 426, 426, 426],
  ["io_uring_register", 427, 427, 427],
  ["io_uring_setup", 425, 425, 425],
  ["ioperm", 173, -1, 101],
  ["iopl", 172, -1, 110],
  ["kcmp", 312, 272, 349],
  ["kexec_file_load", 320, 294, -1],
  ["kexec_load", 246, 104, 283],
  ["keyctl", 250, 219, 288],
  ["lookup_dcookie", 212, 18, 253],
  ["mbind", 237, 235, 274],
  ["migrate_pages", 256, 238, 294],
  ["mount", 165, 40, 21],
  ["mount_setattr", 442, 442, 442],
  ["move_mount", 429, 429, 429],
  ["move_pages", 279, 239, 317],
  ["nfsservctl", 180, 42, 169],
  ["open_by_handle_at", 304, 265, 342],
  ["open_tree", 428, 428, 428],
  ["perf_event_open", 298, 241, 336],
  ["pidfd_getfd", 438, 438, 438],
  ["pivot_root", 155, 41, 217],
  ["process_madvise", 440, 440, 440],
  ["query_module", 178, -1, 167],
  ["quotactl", 179, 60, 131],
  ["quotactl_fd", 443, 443, 443],
  ["reboot", 169, 142, 88],
  ["request_key", 249, 218, 287],
  ["set_mempolicy", 238, 237, 276],
  ["setns", 308, 268, 346],
  ["settimeofday", 164, 170, 79],
  ["stime", -1, -1, 25],
  ["swapoff", 168, 225, 115],
  ["swapon", 167, 224, 87],
  ["_sysctl", 156, -1, 149],
  ["sysfs", 139, -1, 135],
  ["syslog", 103, 116, 103],
  ["umount", -1, -1, 22],
  ["umount2", 166, 39, 52],
  ["unshare", 272, 97, 310],
  ["uselib", 134, -1, 86],
  ["userfaultfd", 323, 282, 374],
  ["ustat", 136, -1, 62],
  ["vhangup", 153, 58, 111],
  ["vm86", -1, -1, 166],
  ["vm86old", -1, -1, 113],
];

/** clone(2), whose flags (its first argument) decide. */
export const CLONE: Numbered = ["clone", 56, 220, 120];
/** CLONE_NEW*: namespaces, that of users among them. */
export const NAMESPACE_FLAGS = 0x7e02_0000;
/** clone3(2), whose flags a filter can't read: it is said not to exist, so that libraries take clone(2). */
export const CLONE3: Numbered = ["clone3", 435, 435, 435];

/** socket(2), whose address family (its first argument) decides. 32-bit programs also have socketcall(2), whose arguments a filter can't read. */
export const SOCKET: Numbered = ["socket", 41, 198, 359];
/**
 * Families that steps get no sockets of, as in Docker: AF_ALG, the kernel's ciphers, through which pages of other containers' files could
 * be written (CVE-2026-31431), and AF_VSOCK, to the hypervisor and other machines on it, from which no network namespace keeps a step.
 */
export const DENIED_FAMILIES: readonly number[] = [38, 40];

/** personality(2), whose only argument decides. */
export const PERSONALITY: Numbered = ["personality", 135, 92, 136];
/** Linux, its 32-bit form, both with the name of a 2.6 kernel, and the question which it is. Not among them: addresses that are not random. */
export const ALLOWED_PERSONALITIES: readonly number[] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/** Calls that only other ids make sense of. With one id they would fail, and with them most package installations. */
export const ANSWERED_CALLS: readonly Numbered[] = [
  ["chown", 92, -1, 182],
  ["chown32", -1, -1, 212],
  ["fchown", 93, 55, 95],
  ["fchown32", -1, -1, 207],
  ["fchownat", 260, 54, 298],
  ["lchown", 94, -1, 16],
  ["lchown32", -1, -1, 198],
  ["setfsgid", 123, 152, 139],
  ["setfsgid32", -1, -1, 216],
  ["setfsuid", 122, 151, 138],
  ["setfsuid32", -1, -1, 215],
  ["setgid", 106, 144, 46],
  ["setgid32", -1, -1, 214],
  ["setgroups", 116, 159, 81],
  ["setgroups32", -1, -1, 206],
  ["setregid", 114, 143, 71],
  ["setregid32", -1, -1, 204],
  ["setresgid", 119, 149, 170],
  ["setresgid32", -1, -1, 210],
  ["setresuid", 117, 147, 164],
  ["setresuid32", -1, -1, 208],
  ["setreuid", 113, 145, 70],
  ["setreuid32", -1, -1, 203],
  ["setuid", 105, 146, 23],
  ["setuid32", -1, -1, 213],
];

/** mknod(2) and mknodat(2), with the index of their mode argument: devices can't be made either. */
export const MKNOD_CALLS: readonly (readonly [call: Numbered, mode: number])[] = [
  [["mknod", 133, -1, 14], 1],
  [["mknodat", 259, 33, 297], 2],
];

/**
 * Calls that take paths or make them moot, and that proot (5.1) does not translate: programs would see the host's files. Told that there
 * are none, they make older ones.
 */
export const UNTRANSLATED_CALLS: readonly Numbered[] = [
  ["statx", 332, 291, 383],
  ["execveat", 322, 281, 358],
  ["name_to_handle_at", 303, 264, 341],
  ["io_uring_setup", 425, 425, 425],
  ["open_tree", 428, 428, 428],
  ["openat2", 437, 437, 437],
  ["faccessat2", 439, 439, 439],
  ["fchmodat2", 452, 452, 452],
  ["setxattrat", 463, 463, 463],
  ["getxattrat", 464, 464, 464],
  ["listxattrat", 465, 465, 465],
  ["removexattrat", 466, 466, 466],
];

/** The tables of numbers a filter knows. */
export type CallTable = "x64" | "arm64" | "i386";

/** A call's number in a table; -1 where it does not exist. */
export function callNumber([, x64, arm64, i386]: Numbered, table: CallTable): number {
  return table === "x64" ? x64 : table === "arm64" ? arm64 : i386;
}
