import { LAUNCHER_FAILED, PROGRAM_BASE, PROGRAM_SIZE } from "./program.ts";
import type { LauncherArch } from "./system-call.ts";

/** Where the executable's one segment lies. */
const LOAD_ADDRESS = 0x40_0000;
const HEADER_SIZE = 64 + 56;

/**
 * The launcher: a static ELF executable of about 300 bytes. It maps memory, reads a program from descriptor 4 into it, and makes
 * the system calls the program lists; the first that fails (and may not) is written to descriptor 3 as its record (80 bytes, the
 * number replaced by the result), and the exit code is 125. So mounts, ids, capabilities and the final execve need no tool of
 * the host but a kernel, no byte of the image runs before the last call, and values in the program never touch a disk or an argv.
 */
export function launcherExecutable(arch: LauncherArch): Uint8Array {
  const code = arch === "x64" ? x64Code() : arm64Code();
  const size = HEADER_SIZE + code.length;
  const elf = new DataView(new ArrayBuffer(size));
  const bytes = new Uint8Array(elf.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  elf.setUint16(16, 2, true); // ET_EXEC
  elf.setUint16(18, arch === "x64" ? 62 : 183, true);
  elf.setUint32(20, 1, true);
  elf.setBigUint64(24, BigInt(LOAD_ADDRESS + HEADER_SIZE), true);
  elf.setBigUint64(32, 64n, true); // program headers
  elf.setUint16(52, 64, true);
  elf.setUint16(54, 56, true);
  elf.setUint16(56, 1, true);
  elf.setUint16(58, 64, true);
  elf.setUint32(64, 1, true); // PT_LOAD
  elf.setUint32(68, 5, true); // read, execute
  elf.setBigUint64(80, BigInt(LOAD_ADDRESS), true);
  elf.setBigUint64(88, BigInt(LOAD_ADDRESS), true);
  elf.setBigUint64(96, BigInt(size), true);
  elf.setBigUint64(104, BigInt(size), true);
  elf.setBigUint64(112, 0x1_0000n, true); // arm64 kernels may have 64 KiB pages
  bytes.set(code, HEADER_SIZE);
  return bytes;
}

const MAP_FLAGS = 0x4032; // PRIVATE | FIXED | ANONYMOUS | NORESERVE

function x64Code(): Uint8Array {
  const u32 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
  const syscall = [0x0f, 0x05];
  const map = [
    0xbf,
    ...u32(PROGRAM_BASE), // mov edi, base
    0xbe,
    ...u32(PROGRAM_SIZE), // mov esi, size
    0xba,
    ...u32(3), // mov edx, PROT_READ | PROT_WRITE
    0x41,
    0xba,
    ...u32(MAP_FLAGS), // mov r10d, flags
    0x49,
    0x83,
    0xc8,
    0xff, // or r8, -1
    0x45,
    0x31,
    0xc9, // xor r9d, r9d
    0xb8,
    ...u32(9), // mov eax, mmap
    ...syscall,
  ];
  const read = [
    0xbf,
    ...u32(4), // mov edi, 4
    0x48,
    0x89,
    0xde, // mov rsi, rbx
    0xba,
    ...u32(0x10_0000), // mov edx, 1 MiB
    0x31,
    0xc0, // xor eax, eax (read)
    ...syscall,
    0x48,
    0x85,
    0xc0, // test rax, rax
  ];
  const advance = [0x48, 0x01, 0xc3]; // add rbx, rax
  const start = [
    0xbf,
    ...u32(4),
    0xb8,
    ...u32(3),
    ...syscall, // close(4)
    0xbb,
    ...u32(PROGRAM_BASE), // mov ebx, base
    0x48,
    0x8b,
    0x1b, // mov rbx, [rbx]
  ];
  const call = [
    0x48,
    0x8b,
    0x03, // mov rax, [rbx]
    0x48,
    0x8b,
    0x7b,
    8, // mov rdi, [rbx+8]
    0x48,
    0x8b,
    0x73,
    16, // mov rsi, [rbx+16]
    0x48,
    0x8b,
    0x53,
    24, // mov rdx, [rbx+24]
    0x4c,
    0x8b,
    0x53,
    32, // mov r10, [rbx+32]
    0x4c,
    0x8b,
    0x43,
    40, // mov r8, [rbx+40]
    0x4c,
    0x8b,
    0x4b,
    48, // mov r9, [rbx+48]
    ...syscall,
    0x4c,
    0x8b,
    0x63,
    64, // mov r12, [rbx+64]
    0x49,
    0x89,
    0x04,
    0x24, // mov [r12], rax
    0x48,
    0x85,
    0xc0, // test rax, rax
  ];
  const branch = [0x48, 0x8b, 0x4b, 56, 0x48, 0x83, 0xf9, 1]; // mov rcx, [rbx+56]; cmp rcx, 1
  const follow = [0x48, 0x89, 0xcb]; // mov rbx, rcx
  const mayFail = [0x48, 0x83, 0x7b, 56, 1]; // cmp qword [rbx+56], 1
  const report = [
    0x48,
    0x89,
    0x03, // mov [rbx], rax
    0xbf,
    ...u32(3), // mov edi, 3
    0x48,
    0x89,
    0xde, // mov rsi, rbx
    0xba,
    ...u32(80), // mov edx, 80
    0xb8,
    ...u32(1), // mov eax, write
    ...syscall,
  ];
  const leave = [0xbf, ...u32(LAUNCHER_FAILED), 0xb8, ...u32(231), ...syscall]; // exit_group(125)
  const next = [0x48, 0x83, 0xc3, 80]; // add rbx, 80

  // in order: map begin read js>leave jz>start advance jmp>read start call js>negative jz>next branch jbe>next follow jmp>call
  // negative: mayFail je>next report leave next jmp>call;
  // a failed mmap shows as a failed read
  const begin = [0xbb, ...u32(PROGRAM_BASE)];
  const jump = 2;
  const atRead = map.length + begin.length;
  const atStart = atRead + read.length + jump + jump + advance.length + jump;
  const atCall = atStart + start.length;
  const atNegative = atCall + call.length + jump + jump + branch.length + jump + follow.length + jump;
  const atLeave = atNegative + mayFail.length + jump + report.length;
  const atNext = atLeave + leave.length;
  const code: number[] = [];
  const jumpIf = (opcode: number, target: number): void => {
    code.push(opcode, (target - (code.length + jump)) & 0xff);
  };
  code.push(...map, ...begin, ...read);
  jumpIf(0x78, atLeave);
  jumpIf(0x74, atStart);
  code.push(...advance);
  jumpIf(0xeb, atRead);
  code.push(...start, ...call);
  jumpIf(0x78, atNegative);
  jumpIf(0x74, atNext);
  code.push(...branch);
  jumpIf(0x76, atNext);
  code.push(...follow);
  jumpIf(0xeb, atCall);
  code.push(...mayFail);
  jumpIf(0x74, atNext);
  code.push(...report, ...leave, ...next);
  jumpIf(0xeb, atCall);
  return Uint8Array.from(code);
}

function arm64Code(): Uint8Array {
  const move = (register: number, value: number): number[] => [
    (0xd280_0000 | ((value & 0xffff) << 5) | register) >>> 0, // movz
    (0xf2a0_0000 | ((value >>> 16) << 5) | register) >>> 0, // movk, lsl 16
  ];
  const load = (to: number, from: number, offset: number): number => (0xf940_0000 | ((offset / 8) << 10) | (from << 5) | to) >>> 0;
  const store = (value: number, into: number, offset: number): number => (0xf900_0000 | ((offset / 8) << 10) | (into << 5) | value) >>> 0;
  const copy = (to: number, from: number): number => (0xaa00_03e0 | (from << 16) | to) >>> 0;
  const svc = 0xd400_0001;
  const [x0, x1, x2, x3, x5, x8, x19, x20] = [0, 1, 2, 3, 5, 8, 19, 20] as const;
  const before = [
    ...move(x0, PROGRAM_BASE),
    ...move(x1, PROGRAM_SIZE),
    ...move(x2, 3),
    ...move(x3, MAP_FLAGS),
    0x9280_0004, // movn x4, 0
    ...move(x5, 0),
    ...move(x8, 222),
    svc, // mmap
    ...move(x19, PROGRAM_BASE),
  ];
  const read = [...move(x0, 4), copy(x1, x19), ...move(x2, 0x10_0000), ...move(x8, 63), svc];
  const advance = 0x8b00_0273; // add x19, x19, x0
  const start = [...move(x0, 4), ...move(x8, 57), svc, ...move(x19, PROGRAM_BASE), load(x19, x19, 0)];
  const call = [load(x8, x19, 0), ...[0, 1, 2, 3, 4, 5].map((i) => load(i, x19, 8 + 8 * i)), svc, load(x20, x19, 64), store(x0, x20, 0)];
  const branch = load(x1, x19, 56);
  const isIgnore = 0xf100_043f; // cmp x1, 1
  const report = [store(x0, x19, 0), ...move(x0, 3), copy(x1, x19), ...move(x2, 80), ...move(x8, 64), svc];
  const leave = [...move(x0, LAUNCHER_FAILED), ...move(x8, 94), svc];
  const next = 0x9101_4273; // add x19, x19, 80

  const atRead = before.length;
  const atStart = atRead + read.length + 4;
  const atCall = atStart + start.length;
  const atNegative = atCall + call.length + 7;
  const atLeave = atNegative + 3 + report.length;
  const atNext = atLeave + leave.length;
  const code: number[] = [];
  const ifNegative = (target: number): number => (0xb7f8_0000 | (((target - code.length) & 0x3fff) << 5)) >>> 0; // tbnz x0, 63
  const ifZero = (target: number): number => (0xb400_0000 | (((target - code.length) & 0x7ffff) << 5)) >>> 0; // cbz x0
  const ifEqual = (target: number): number => (0x5400_0000 | (((target - code.length) & 0x7ffff) << 5)) >>> 0; // b.eq
  const ifBelowOrSame = (target: number): number => (0x5400_0009 | (((target - code.length) & 0x7ffff) << 5)) >>> 0; // b.ls
  const always = (target: number): number => (0x1400_0000 | ((target - code.length) & 0x3ff_ffff)) >>> 0;
  code.push(...before, ...read);
  code.push(ifNegative(atLeave));
  code.push(ifZero(atStart));
  code.push(advance);
  code.push(always(atRead));
  code.push(...start, ...call);
  code.push(ifNegative(atNegative));
  code.push(ifZero(atNext));
  code.push(branch, isIgnore);
  code.push(ifBelowOrSame(atNext));
  code.push(copy(x19, x1));
  code.push(always(atCall));
  code.push(branch, isIgnore);
  code.push(ifEqual(atNext));
  code.push(...report, ...leave, next);
  code.push(always(atCall));
  const bytes = new DataView(new ArrayBuffer(code.length * 4));
  for (const [i, instruction] of code.entries()) bytes.setUint32(i * 4, instruction, true);
  return new Uint8Array(bytes.buffer);
}
