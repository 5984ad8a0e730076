import { describe, expect, it } from "vitest";
import { oneIdFilter } from "./seccomp.ts";

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
  for (let at = 0; at * 8 < code.length; at++) {
    const [operation, yes, no, value] = [code.readUInt16LE(at * 8), code.readUInt8(at * 8 + 2), code.readUInt8(at * 8 + 3), code.readUInt32LE(at * 8 + 4)];
    if (operation === 0x20) accumulator = data.readUInt32LE(value);
    else if (operation === 0x54) accumulator = (accumulator & value) >>> 0;
    else if (operation === 0x15) at += accumulator === value ? yes : no;
    else if (operation === 0x06) return value;
    else throw new Error(`unexpected instruction ${operation.toString(16)}`);
  }
  throw new Error("the filter has no end");
}

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
    ["fchownat", ARM64, 54, [], SUCCESS],
    ["mknodat of a char device", ARM64, 33, [0, 0, 0o020644], SUCCESS],
    ["mknodat of a fifo", ARM64, 33, [0, 0, 0o010644], ALLOW],
    ["openat", ARM64, 56, [], ALLOW],
  ])("answers %s", (_name, arch, number, args, action) => {
    expect(evaluate(oneIdFilter(arch === X64 ? "x64" : "arm64"), { arch, number, args })).toBe(action);
  });

  it("lets calls of other machines' tables pass", () => {
    expect(evaluate(oneIdFilter("x64"), { arch: 0x4000_0003, number: 92 })).toBe(ALLOW);
  });
});
