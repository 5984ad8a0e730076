import { describe, expect, it } from "vitest";
import { stepFilter } from "./seccomp.ts";

const ALLOW = 0x7fff_0000;
const SUCCESS = 0x0005_0000;
const X64 = 0xc000_003e;
const ARM64 = 0xc000_00b7;

/** Runs classic BPF on struct seccomp_data. */
function evaluate(filter: Uint8Array, call: { readonly arch: number; readonly number: number; readonly args?: readonly number[] }): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number, 0);
  data.writeUInt32LE(call.arch, 4);
  for (const [i, value] of (call.args ?? []).entries()) data.writeUInt32LE(value, 16 + 8 * i);
  const code = Buffer.from(filter);
  let accumulator = 0;
  let index = 0;
  for (let at = 0; at * 8 < code.length; at++) {
    const [operation, yes, no, value] = [code.readUInt16LE(at * 8), code.readUInt8(at * 8 + 2), code.readUInt8(at * 8 + 3), code.readUInt32LE(at * 8 + 4)];
    if (operation === 0x20) accumulator = data.readUInt32LE(value);
    else if (operation === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (operation === 0x07) index = accumulator;
    else if (operation === 0x1c) accumulator = (accumulator - index) >>> 0;
    else if (operation === 0x04) accumulator = (accumulator + value) >>> 0;
    else if (operation === 0x05) at += value;
    else if (operation === 0x35) at += accumulator >= value ? yes : no;
    else if (operation === 0x15) at += accumulator === value ? yes : no;
    else if (operation === 0x06) return value;
    else throw new Error(`unexpected instruction ${operation.toString(16)}`);
  }
  throw new Error("the filter has no end");
}

const I386 = 0x4000_0003;
const EPERM = 0x0005_0001;
const ENOSYS = 0x0005_0026;
const AF_INET = 2;
const [AF_ALG, AF_VSOCK] = [38, 40];
const ADDR_NO_RANDOMIZE = 0x004_0000;
const CLONE_NEWUSER = 0x1000_0000;

describe("the filter for one id", () => {
  it.each([
    ["chown", X64, 92, [], SUCCESS],
    ["fchownat", X64, 260, [], SUCCESS],
    ["setresuid", X64, 117, [], SUCCESS],
    ["setgroups", X64, 116, [], SUCCESS],
    ["mknod of a file", X64, 133, [0, 0o100644], ALLOW],
    ["mknod of a fifo", X64, 133, [0, 0o010644], ALLOW],
    ["mknod of a char device", X64, 133, [0, 0o020644], SUCCESS],
    ["mknodat of a block device", X64, 259, [0, 0, 0o060644], SUCCESS],
    ["mknodat of a socket", X64, 259, [0, 0, 0o140644], ALLOW],
    ["openat", X64, 257, [], ALLOW],
    ["execve", X64, 59, [], ALLOW],
    ["unshare", X64, 272, [], ALLOW],
    ["chown32 of a 32-bit program", I386, 212, [], SUCCESS],
    ["fchownat", ARM64, 54, [], SUCCESS],
    ["mknodat of a char device", ARM64, 33, [0, 0, 0o020644], SUCCESS],
    ["mknodat of a fifo", ARM64, 33, [0, 0, 0o010644], ALLOW],
    ["openat", ARM64, 56, [], ALLOW],
  ])("answers %s", (_name, arch, number, args, action) => {
    const filter = stepFilter(arch === ARM64 ? "arm64" : "x64", { deny: false, oneId: true });
    expect(evaluate(filter, { arch, number, args })).toBe(action);
  });
});

describe("the filter for translated paths", () => {
  it.each([
    ["statx", X64, 332, [], ENOSYS],
    ["openat2", X64, 437, [], ENOSYS],
    ["statx", ARM64, 291, [], ENOSYS],
    ["clone3 of a thread", X64, 435, [0xffff_0100, 88, 0, 0, 0xe5cf_96c0], ENOSYS],
    ["clone3 of posix_spawn", X64, 435, [0xffff_0100, 88, 0, 0, 0xffff_0200], ALLOW],
    ["clone3 of posix_spawn with its variables the other way around", X64, 435, [0x100, 88, 0, 0, 0xffff_ff00], ALLOW],
    ["clone3", ARM64, 435, [], ENOSYS],
    ["clone3 of a 32-bit program", I386, 435, [], ENOSYS],
    ["statx of a 32-bit program", I386, 383, [], ENOSYS],
    ["mknod of a char device", X64, 133, [0, 0o020644], SUCCESS],
    ["chown", X64, 92, [], ALLOW],
    ["ptrace", X64, 101, [], ALLOW],
    ["openat", X64, 257, [], ALLOW],
  ])("answers %s", (_name, arch, number, args, action) => {
    const filter = stepFilter(arch === ARM64 ? "arm64" : "x64", { deny: false, oneId: false, translated: true });
    expect(evaluate(filter, { arch, number, args })).toBe(action);
  });
});

describe("the filter of a step", () => {
  it.each([
    ["mount", X64, 165, [], EPERM],
    ["unshare", X64, 272, [], EPERM],
    ["bpf", X64, 321, [], EPERM],
    ["chown", X64, 92, [], ALLOW],
    ["ptrace", X64, 101, [], ALLOW],
    ["clone of a thread", X64, 56, [0x3d0f00], ALLOW],
    ["clone of a user namespace", X64, 56, [CLONE_NEWUSER | 17], EPERM],
    ["clone of a network namespace", X64, 56, [0x4000_0011], EPERM],
    ["clone3", X64, 435, [], ENOSYS],
    ["a socket to the hypervisor", X64, 41, [AF_VSOCK, 1], EPERM],
    ["a socket to the internet", X64, 41, [AF_INET, 1], ALLOW],
    ["a socket to the hypervisor of a 32-bit program", I386, 359, [AF_VSOCK, 1], EPERM],
    ["a socket to the hypervisor", ARM64, 198, [AF_VSOCK, 1], EPERM],
    ["a socket to the kernel's ciphers", X64, 41, [AF_ALG, 5], EPERM],
    ["a socket to devices nearby", X64, 41, [39, 1], ALLOW],
    ["addresses that are not random", X64, 135, [ADDR_NO_RANDOMIZE], EPERM],
    ["addresses that are not random", ARM64, 92, [ADDR_NO_RANDOMIZE], EPERM],
    ["addresses that are not random for a 32-bit program", I386, 136, [ADDR_NO_RANDOMIZE], EPERM],
    ["32-bit addresses", X64, 135, [8], ALLOW],
    ["a question for the personality", X64, 135, [0xffff_ffff], ALLOW],
    ["pidfd_getfd", X64, 438, [], EPERM],
    ["a number of the table nothing uses", X64, 0x4000_0000 + 165, [], ENOSYS],
    ["mount of a 32-bit program", I386, 21, [], EPERM],
    ["clone of a 32-bit program", I386, 120, [CLONE_NEWUSER], EPERM],
    ["number 165 of a 32-bit program", I386, 165, [], ALLOW],
    ["unshare", ARM64, 97, [], EPERM],
    ["clone of a user namespace", ARM64, 220, [CLONE_NEWUSER], EPERM],
    ["openat", ARM64, 56, [], ALLOW],
    ["a call of a machine it does not know", 0x28, 21, [], ALLOW],
  ])("decides on %s", (_name, arch, number, args, action) => {
    const filter = stepFilter(arch === ARM64 ? "arm64" : "x64", { deny: true, oneId: false });
    expect(evaluate(filter, { arch, number, args })).toBe(action);
  });
});
