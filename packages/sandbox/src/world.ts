import type { ProgramBuilder } from "./launcher/program.ts";
import { addMountFlags, AT_FDCWD, bindMount, MNT_DETACH, MOUNT, type MountFeatures, mountFilesystem } from "./mounting.ts";
import { noFollowFlag } from "./launcher/system-call.ts";
import type { SandboxMount, SandboxProcess } from "./sandbox-process.ts";

/** What the place allows of a step's world. */
export interface WorldFeatures extends MountFeatures {
  /** A new /proc can be mounted. */
  readonly proc: boolean;
  /** A new /sys can be mounted; else the host's is shown read-only. */
  readonly sysfs: boolean;
  /** POSIX message queues can be mounted. */
  readonly mqueue: boolean;
  /** Group 5 (tty) exists here, for terminals. */
  readonly ttyGroup: boolean;
}

/** Of a place where nothing can be mounted. */
export const NO_WORLD: WorldFeatures = { proc: false, sysfs: false, mqueue: false, ttyGroup: false, setattr: false };

/** As runc's default spec: what a container must not write, or see. */
export const READONLY_PROC: readonly string[] = ["bus", "fs", "irq", "sys", "sysrq-trigger"];
export const MASKED_PROC_FILES: readonly string[] = ["kcore", "keys", "latency_stats", "timer_list", "timer_stats", "sched_debug", "interrupts"];
export const MASKED_DIRECTORIES: readonly string[] = ["proc/acpi", "proc/asound", "proc/scsi", "sys/firmware"];
const DEVICES = ["null", "zero", "full", "random", "urandom", "tty"];
const DEVICE_LINKS = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["core", "/proc/kcore"],
  ["ptmx", "pts/ptmx"],
] as const;
const S_IFREG = 0o100000;
const O_PATH = 0o10000000;

/** Mounts everything a step sees, below `process.root`, and makes that the root of the mount namespace; the old one is gone after. `free` is the lowest closed descriptor. */
export function buildWorld(program: ProgramBuilder, process: SandboxProcess, features: WorldFeatures, free: number): void {
  const { root } = process;
  // pivot_root wants a mount; an own one can also lose devices: a node the step makes is data for the layer, not a way to the host's disks
  bindMount(program, features, root, root, process.insecure ? 0 : MOUNT.nodev, "mount the root");
  if (features.proc) mountProc(program, process);
  mountDev(program, process, features);
  mountSys(program, process, features);
  for (const mount of process.mounts) mountInto(program, mount, { process, features, descriptor: free });
  program.call("enter the root", "chdir", program.string(root));
  program.call("change the root", "pivot_root", program.string("."), program.string("."));
  program.call("leave the old root", "umount2", program.string("."), MNT_DETACH);
  program.call("enter the root", "chdir", program.string("/"));
}

/** Mounts one of the step's own mounts; where its place is below another of them, by descriptors from `descriptor` on. */
export function mountInto(
  program: ProgramBuilder,
  mount: SandboxMount,
  { process, features, descriptor }: { readonly process: Pick<SandboxProcess, "root">; readonly features: MountFeatures; readonly descriptor: number },
): void {
  const label = `mount /${mount.target}`;
  const components = mount.target.split("/");
  const made = mount.make === 0 ? [] : components.slice(-mount.make);
  const flags = O_PATH | noFollowFlag(program.arch);
  const path = (at: number): string => `/proc/self/fd/${at}`;
  let target = `${process.root}/${mount.target}`;
  let holder = descriptor;
  if (made.length > 0) {
    program.call(label, "openat", AT_FDCWD, program.string(`${process.root}/${components.slice(0, -mount.make).join("/")}`), O_PATH);
    for (const [i, name] of made.entries()) {
      holder = descriptor + i;
      const make = { label: `make /${mount.target}`, onError: "ignore" } as const;
      if (i === made.length - 1 && mount.type === "file") program.call(make, "mknodat", holder, program.string(name), S_IFREG | 0o644, 0);
      else program.call(make, "mkdirat", holder, program.string(name), 0o755);
      program.call(`make /${mount.target}`, "openat", holder, program.string(name), flags);
    }
    target = path(holder + 1);
  }
  if (mount.kind === "tmpfs") {
    mountFilesystem(program, "tmpfs", target, MOUNT.nosuid | MOUNT.nodev, `mode=1777${mount.size === undefined ? "" : `,size=${mount.size}`}`, label);
  } else {
    bindMount(program, features, mount.source, target, 0, label);
    if (made.length > 0) {
      // the descriptor is what lies below the new mount; opened again by its name it is the mount
      program.call(label, "openat", holder, program.string(made.at(-1) ?? ""), flags);
      target = path(holder + 2);
    }
    addMountFlags(program, features, target, (mount.readonly ? MOUNT.readonly : 0) | MOUNT.nodev, label);
  }
  for (let i = 0; made.length > 0 && i <= made.length + 1; i++) program.call({ label, onError: "ignore" }, "close", descriptor + i);
}

function mountProc(program: ProgramBuilder, process: SandboxProcess): void {
  const proc = `${process.root}/proc`;
  mountFilesystem(program, "proc", proc, MOUNT.nosuid | MOUNT.nodev | MOUNT.noexec, "", "mount /proc");
  if (process.insecure) return;
  const optional = (label: string, source: string, target: string, flags: number): void => {
    program.call({ label, onError: "ignore" }, "mount", program.string(source), program.string(target), 0, MOUNT.bind, 0);
    if (flags !== 0)
      program.call(
        { label, onError: "ignore" },
        "mount",
        0,
        program.string(target),
        0,
        MOUNT.remount | MOUNT.bind | MOUNT.nosuid | MOUNT.nodev | MOUNT.noexec | flags,
        0,
      );
  };
  for (const name of READONLY_PROC) optional(`protect /proc/${name}`, `${proc}/${name}`, `${proc}/${name}`, MOUNT.readonly);
  for (const name of MASKED_PROC_FILES) optional(`mask /proc/${name}`, "/dev/null", `${proc}/${name}`, 0);
}

/** Mounts the devices of a step, and memory to share, on `dev` of its root. */
export function mountDev(
  program: ProgramBuilder,
  process: Pick<SandboxProcess, "root" | "insecure" | "shmSize">,
  features: Pick<WorldFeatures, "ttyGroup" | "mqueue">,
): void {
  const dev = `${process.root}/dev`;
  // a step keeps CAP_MKNOD and there is no devices cgroup: what it makes here must not open; the devices below are mounts of their own
  mountFilesystem(program, "tmpfs", dev, MOUNT.nosuid | MOUNT.noexec | (process.insecure ? 0 : MOUNT.nodev), "mode=755,size=65536k", "mount /dev");
  for (const name of DEVICES) {
    program.call(`make /dev/${name}`, "mknodat", AT_FDCWD, program.string(`${dev}/${name}`), S_IFREG | 0o666, 0);
    program.call(`mount /dev/${name}`, "mount", program.string(`/dev/${name}`), program.string(`${dev}/${name}`), 0, MOUNT.bind, 0);
  }
  for (const [name, target] of DEVICE_LINKS) program.call(`make /dev/${name}`, "symlinkat", program.string(target), AT_FDCWD, program.string(`${dev}/${name}`));
  for (const name of ["pts", "shm", "mqueue"]) program.call(`make /dev/${name}`, "mkdirat", AT_FDCWD, program.string(`${dev}/${name}`), 0o755);
  mountFilesystem(
    program,
    "devpts",
    `${dev}/pts`,
    MOUNT.nosuid | MOUNT.noexec,
    `newinstance,ptmxmode=0666,mode=0620${features.ttyGroup ? ",gid=5" : ""}`,
    "mount /dev/pts",
  );
  mountFilesystem(program, "tmpfs", `${dev}/shm`, MOUNT.nosuid | MOUNT.noexec | MOUNT.nodev, `mode=1777,size=${process.shmSize}`, "mount /dev/shm");
  if (features.mqueue) mountFilesystem(program, "mqueue", `${dev}/mqueue`, MOUNT.nosuid | MOUNT.noexec | MOUNT.nodev, "", "mount /dev/mqueue");
}

function mountSys(program: ProgramBuilder, process: SandboxProcess, features: WorldFeatures): void {
  const sys = `${process.root}/sys`;
  const flags = MOUNT.nosuid | MOUNT.nodev | MOUNT.noexec;
  if (features.sysfs || process.network === "none") mountFilesystem(program, "sysfs", sys, flags | (process.insecure ? 0 : MOUNT.readonly), "", "mount /sys");
  else bindMount(program, features, "/sys", sys, flags | MOUNT.readonly, "mount /sys");
  if (process.insecure) return;
  for (const directory of MASKED_DIRECTORIES) {
    program.call(
      { label: `mask /${directory}`, onError: "ignore" },
      "mount",
      program.string("tmpfs"),
      program.string(`${process.root}/${directory}`),
      program.string("tmpfs"),
      flags | MOUNT.readonly,
      program.string("size=0k"),
    );
  }
}

/** Opens the calling process's directory in the present /proc on the lowest free descriptor. */
export function openProcSelf(program: ProgramBuilder): void {
  program.call("open /proc/self", "openat", AT_FDCWD, program.string("/proc/self"), O_PATH);
}
