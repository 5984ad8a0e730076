import { VarveError } from "@varve/errors";

/** The machines a launcher can be emitted for, by Node's `process.arch`. */
export type LauncherArch = "x64" | "arm64";

/** System calls a {@link Program} may make, each with its number on x64 and arm64. */
const NUMBERS = {
  read: [0, 63],
  write: [1, 64],
  close: [3, 57],
  fcntl: [72, 25],
  flock: [73, 32],
  openat: [257, 56],
  dup3: [292, 24],
  ioctl: [16, 29],
  socket: [41, 198],
  recvfrom: [45, 207],
  madvise: [28, 233],
  getpid: [39, 172],
  chdir: [80, 49],
  fchdir: [81, 50],
  mkdirat: [258, 34],
  mknodat: [259, 33],
  fchownat: [260, 54],
  unlinkat: [263, 35],
  linkat: [265, 37],
  symlinkat: [266, 36],
  fchmodat: [268, 53],
  utimensat: [280, 88],
  lsetxattr: [189, 6],
  lgetxattr: [192, 9],
  llistxattr: [195, 12],
  lremovexattr: [198, 15],
  mount: [165, 40],
  umount2: [166, 39],
  pivot_root: [155, 41],
  chroot: [161, 51],
  mount_setattr: [442, 442],
  clone: [56, 220],
  clone3: [435, 435],
  wait4: [61, 260],
  rt_sigprocmask: [14, 135],
  unshare: [272, 97],
  setns: [308, 268],
  sethostname: [170, 161],
  prlimit64: [302, 261],
  umask: [95, 166],
  setsid: [112, 157],
  setgroups: [116, 159],
  setresuid: [117, 147],
  setresgid: [119, 149],
  capset: [126, 91],
  prctl: [157, 167],
  seccomp: [317, 277],
  keyctl: [250, 219],
  close_range: [436, 436],
  landlock_create_ruleset: [444, 444],
  landlock_add_rule: [445, 445],
  landlock_restrict_self: [446, 446],
  execve: [59, 221],
  exit_group: [231, 94],
} as const;

/** A system call's name. */
export type SystemCall = keyof typeof NUMBERS;

/** The number of a system call on a machine. */
export function systemCallNumber(name: SystemCall, arch: LauncherArch): number {
  return NUMBERS[name][arch === "x64" ? 0 : 1];
}

/** This process's machine; SANDBOX_UNAVAILABLE where no launcher can be emitted for it. */
export function launcherArch(): LauncherArch {
  if (process.arch === "x64" || process.arch === "arm64") return process.arch;
  throw new VarveError("SANDBOX_UNAVAILABLE", `varve has no launcher for ${process.arch}`, { hint: "RUN steps need an x64 or arm64 machine" });
}

/** open(2): the flag that refuses a symlink as the last component, which differs between machines. */
export function noFollowFlag(arch: LauncherArch): number {
  return arch === "x64" ? 0o400000 : 0o100000;
}
