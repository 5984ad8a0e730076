import type { ProgramBuilder } from "./launcher/program.ts";
import type { LauncherArch } from "./launcher/system-call.ts";

/** Calls that only other ids, or devices, make sense of. With one id they would fail, and with them most package installations. */
const ANSWERED: Readonly<Record<LauncherArch, readonly number[]>> = {
  // chown fchown lchown setuid setgid setreuid setregid setgroups setresuid setresgid setfsuid setfsgid fchownat
  x64: [92, 93, 94, 105, 106, 113, 114, 116, 117, 119, 122, 123, 260],
  // fchownat fchown setregid setgid setreuid setuid setresuid setresgid setfsuid setfsgid setgroups
  arm64: [54, 55, 143, 144, 145, 146, 147, 149, 151, 152, 159],
};
/** mknod and mknodat, with the index of their mode argument. */
const MKNOD: Readonly<Record<LauncherArch, readonly (readonly [number, number])[]>> = {
  x64: [
    [133, 1],
    [259, 2],
  ],
  arm64: [[33, 2]],
};
const AUDIT_ARCH: Readonly<Record<LauncherArch, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7 };

const S_IFMT = 0o170000;
const [S_IFCHR, S_IFBLK] = [0o020000, 0o060000];
const ALLOW = 0x7fff_0000;
/** SECCOMP_RET_ERRNO with no error: the call is not made and returns 0. */
const SUCCESS = 0x0005_0000;
const SECCOMP_SET_MODE_FILTER = 1;

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, value: number];
const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const and = (mask: number): Instruction => [0x54, 0, 0, mask];
const ifEqual = (value: number, yes: number, no: number): Instruction => [0x15, yes, no, value];
const give = (action: number): Instruction => [0x06, 0, 0, action];
const NUMBER = 0;
const ARCH = 4;
const argument = (index: number): number => 16 + 8 * index;

/**
 * A seccomp filter (classic BPF, struct sock_filter[]) that answers chown, the setuid family and mknod of devices with success and
 * lets all else pass, calls of other machines' tables too.
 */
export function oneIdFilter(arch: LauncherArch): Uint8Array {
  const filter: Instruction[] = [load(ARCH), ifEqual(AUDIT_ARCH[arch], 1, 0), give(ALLOW), load(NUMBER)];
  for (const [number, mode] of MKNOD[arch]) {
    filter.push(ifEqual(number, 0, 6), load(argument(mode)), and(S_IFMT), ifEqual(S_IFCHR, 1, 0), ifEqual(S_IFBLK, 0, 1), give(SUCCESS), give(ALLOW));
  }
  for (const number of ANSWERED[arch]) filter.push(ifEqual(number, 0, 1), give(SUCCESS));
  filter.push(give(ALLOW));
  const bytes = Buffer.alloc(filter.length * 8);
  for (const [i, [code, yes, no, value]] of filter.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(yes, i * 8 + 2);
    bytes.writeUInt8(no, i * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, i * 8 + 4);
  }
  return bytes;
}

/** Installs a filter for the process and what it executes; needs CAP_SYS_ADMIN in its user namespace. A kernel without seccomp goes on without. */
export function installFilter(program: ProgramBuilder, filter: Uint8Array): void {
  const header = program.words([filter.length / 8, program.data(filter)]);
  program.call({ label: "install the seccomp filter", onError: "ignore" }, "seccomp", SECCOMP_SET_MODE_FILTER, 0, header);
}
