import type { Address, ProgramBuilder } from "./launcher/program.ts";

/** mount(2) flags. */
export const MOUNT: Readonly<Record<"readonly" | "nosuid" | "nodev" | "noexec" | "remount" | "bind" | "recursive" | "private", number>> = {
  readonly: 1,
  nosuid: 2,
  nodev: 4,
  noexec: 8,
  remount: 32,
  bind: 4096,
  recursive: 16384,
  private: 1 << 18,
};
/** Directory argument that means the current directory. */
export const AT_FDCWD = -100;
/** umount2(2): detach now, free when unused. */
export const MNT_DETACH = 2;
const AT_RECURSIVE = 0x8000;

/** Whether the kernel has mount_setattr(2) (5.12), which adds flags without knowing those that are there. */
export interface MountFeatures {
  readonly setattr: boolean;
}

/** Mounts a filesystem of `type` on `target`. */
export function mountFilesystem(program: ProgramBuilder, type: string, target: string, flags: number, data = "", label = `mount ${target}`): void {
  program.call(label, "mount", program.string(type), program.string(target), program.string(type), flags, program.string(data));
}

/** Shows `source` at `target`, with all that is mounted below it; `flags` (readonly, nosuid, nodev, noexec) are added. */
export function bindMount(program: ProgramBuilder, features: MountFeatures, source: string, target: string, flags = 0, label = `mount ${target}`): void {
  program.call(label, "mount", program.string(source), program.string(target), 0, MOUNT.bind | MOUNT.recursive, 0);
  if (flags !== 0) addMountFlags(program, features, target, flags, label);
}

/** Adds flags to the mount at `target`; where the kernel can, to those below it as well. */
export function addMountFlags(program: ProgramBuilder, features: MountFeatures, target: string, flags: number, label = `mount ${target}`): void {
  if (features.setattr) {
    const attributes: Address = program.words([flags & 0xf, 0, 0, 0]);
    program.call(label, "mount_setattr", AT_FDCWD, program.string(target), AT_RECURSIVE, attributes, 32);
  } else {
    program.call(label, "mount", 0, program.string(target), 0, MOUNT.remount | MOUNT.bind | flags, 0);
  }
}
