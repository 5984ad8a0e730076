import {
  ALLOWED_PERSONALITIES,
  ANSWERED_CALLS,
  CLONE,
  CLONE3,
  callNumber,
  type CallTable,
  DENIED_CALLS,
  DENIED_FAMILIES,
  MKNOD_CALLS,
  NAMESPACE_FLAGS,
  PERSONALITY,
  SOCKET,
  UNTRANSLATED_CALLS,
} from "./denied-call.ts";
import type { ProgramBuilder } from "./launcher/program.ts";
import type { LauncherArch } from "./launcher/system-call.ts";

/** What a step's filter does. */
export interface StepFilter {
  /** Forbids what Docker's default profile forbids. */
  readonly deny: boolean;
  /** Answers chown, the setuid family and mknod of devices with success, where there is a single id. */
  readonly oneId: boolean;
  /** For programs whose paths proot translates: calls it does not know do not exist, mknod of devices succeeds. */
  readonly translated?: boolean;
}

const AUDIT_ARCH: Readonly<Record<CallTable, number>> = { x64: 0xc000_003e, arm64: 0xc000_00b7, i386: 0x4000_0003 };
/** Set in numbers of x64's table for 32-bit pointers, which nothing uses. */
const X32_BIT = 0x4000_0000;

const S_IFMT = 0o170000;
const [S_IFCHR, S_IFBLK] = [0o020000, 0o060000];
const ALLOW = 0x7fff_0000;
/** SECCOMP_RET_ERRNO: the call is not made and returns this. */
const errno = (number: number): number => 0x0005_0000 | number;
const SUCCESS = errno(0);
const [EPERM, ENOSYS] = [1, 38];
const SECCOMP_SET_MODE_FILTER = 1;

type Instruction = readonly [code: number, jumpTrue: number, jumpFalse: number, value: number];
const load = (offset: number): Instruction => [0x20, 0, 0, offset];
const and = (mask: number): Instruction => [0x54, 0, 0, mask];
const ifEqual = (value: number, yes: number, no: number): Instruction => [0x15, yes, no, value];
const ifAtLeast = (value: number, yes: number, no: number): Instruction => [0x35, yes, no, value];
const skip = (count: number): Instruction => [0x05, 0, 0, count];
const give = (action: number): Instruction => [0x06, 0, 0, action];
const NUMBER = 0;
const ARCH = 4;
const argument = (index: number): number => 16 + 8 * index;

/**
 * A seccomp filter (classic BPF, struct sock_filter[]) for a step. It knows the machine's own table of calls and, on x64, that of 32-bit
 * programs; calls of other tables pass.
 */
export function stepFilter(arch: LauncherArch, what: StepFilter): Uint8Array {
  const name = `${arch} ${what.deny} ${what.oneId} ${what.translated ?? false}`;
  const made = filters.get(name) ?? makeFilter(arch, what);
  filters.set(name, made);
  return made;
}

/** The steps of a build have the same few. */
const filters = new Map<string, Uint8Array>();

function makeFilter(arch: LauncherArch, what: StepFilter): Uint8Array {
  const tables: readonly CallTable[] = arch === "x64" ? ["x64", "i386"] : ["arm64"];
  const filter: Instruction[] = [load(ARCH)];
  for (const table of tables) {
    const part = tableFilter(table, what);
    filter.push(ifEqual(AUDIT_ARCH[table], 1, 0), skip(part.length), ...part);
  }
  filter.push(give(ALLOW));
  return assemble(filter);
}

function tableFilter(table: CallTable, { deny, oneId, translated = false }: StepFilter): Instruction[] {
  const filter: Instruction[] = [load(NUMBER)];
  const answer = (number: number, action: number): void => {
    if (number >= 0) filter.push(ifEqual(number, 0, 1), give(action));
  };
  if (translated) {
    for (const call of UNTRANSLATED_CALLS) answer(callNumber(call, table), errno(ENOSYS));
    const number = callNumber(CLONE3, table);
    const decide = table === "x64" ? [...skipUnlessSpawned(1), give(ALLOW), give(errno(ENOSYS))] : [give(errno(ENOSYS))];
    filter.push(ifEqual(number, 0, decide.length), ...decide);
  }
  if (oneId || translated) {
    for (const [call, mode] of MKNOD_CALLS) {
      const number = callNumber(call, table);
      if (number < 0) continue;
      filter.push(ifEqual(number, 0, 6), load(argument(mode)), and(S_IFMT), ifEqual(S_IFCHR, 1, 0), ifEqual(S_IFBLK, 0, 1), give(SUCCESS), give(ALLOW));
    }
  }
  if (oneId) for (const call of ANSWERED_CALLS) answer(callNumber(call, table), SUCCESS);
  if (deny) {
    for (const call of DENIED_CALLS) answer(callNumber(call, table), errno(EPERM));
    answer(callNumber(CLONE3, table), errno(ENOSYS));
    if (table === "x64") filter.push(ifAtLeast(X32_BIT, 0, 1), give(errno(ENOSYS)));
    const byFirstArgument = (number: number, decide: readonly Instruction[]): void =>
      void filter.push(ifEqual(number, 0, decide.length + 1), load(argument(0)), ...decide);
    byFirstArgument(callNumber(SOCKET, table), [...DENIED_FAMILIES.flatMap((family) => [ifEqual(family, 0, 1), give(errno(EPERM))]), give(ALLOW)]);
    byFirstArgument(callNumber(PERSONALITY, table), [...ALLOWED_PERSONALITIES.flatMap((value) => [ifEqual(value, 0, 1), give(ALLOW)]), give(errno(EPERM))]);
    byFirstArgument(callNumber(CLONE, table), [and(NAMESPACE_FLAGS), ifEqual(0, 1, 0), give(errno(EPERM)), give(ALLOW)]);
  }
  return [...filter, give(ALLOW)];
}

/** Bytes that what posix_spawn gives to clone3 and to its child may be apart: both are variables of one function. */
const ONE_FRAME = 2048;

/**
 * Goes on if a clone3 of x64 is that of a C library's posix_spawn (and so of system and popen), else skips instructions. Of clone3 proot does not know the
 * flags, and takes what is made for a process with a heap of its own. Where it is a thread, it misses the growth of its heap, and paths are
 * EFAULT; told that there is no clone3, libraries take clone, which proot knows. But of a clone that shares memory until it executes something
 * proot 5.1 takes the heap of what is executed for that of its parent, which crashes when it wants more. glibc has, in the call, the
 * child's argument in the fifth register: of a thread its own block, of posix_spawn a variable on the stack beside the structure of clone3.
 */
function skipUnlessSpawned(count: number): Instruction[] {
  const toIndex: Instruction = [0x07, 0, 0, 0];
  const lessIndex: Instruction = [0x1c, 0, 0, 0];
  const plus: Instruction = [0x04, 0, 0, ONE_FRAME];
  return [load(argument(0)), toIndex, load(argument(4)), lessIndex, plus, ifAtLeast(2 * ONE_FRAME, count, 0)];
}

function assemble(filter: readonly Instruction[]): Uint8Array {
  const bytes = Buffer.alloc(filter.length * 8);
  for (const [i, [code, yes, no, value]] of filter.entries()) {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(yes, i * 8 + 2);
    bytes.writeUInt8(no, i * 8 + 3);
    bytes.writeUInt32LE(value >>> 0, i * 8 + 4);
  }
  return bytes;
}

/** Installs a filter for the process and what it executes; needs CAP_SYS_ADMIN in its user namespace. */
export function installFilter(program: ProgramBuilder, filter: Uint8Array): void {
  const header = program.words([filter.length / 8, program.data(filter)]);
  program.call("install the seccomp filter", "seccomp", SECCOMP_SET_MODE_FILTER, 0, header);
}
