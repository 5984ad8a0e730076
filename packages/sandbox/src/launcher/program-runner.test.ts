import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findHostTool } from "../host-tool.ts";
import { launcherExecutable } from "./executable.ts";
import { type Launcher, openLauncher } from "./launcher.ts";
import { createProgram, LAUNCHER_FAILED, type Program } from "./program.ts";
import { runProgram } from "./program-runner.ts";
import { endOfReport, parseReport, reportData } from "./report.ts";
import { residentParts, residentProgram } from "./resident-part.ts";
import { type LauncherArch, launcherArch } from "./system-call.ts";

let directory = "";
let launcher: Launcher;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "varve-programs-"));
  launcher = await openLauncher([directory]);
});
afterAll(() => {
  launcher.close();
  rmSync(directory, { recursive: true, force: true });
});

/** Reports `text`, and 64 KiB of a buffer that it fills with it. */
function echo(text: string, arch: LauncherArch): Program {
  const program = createProgram(arch);
  const room = program.buffer(0x1_0000);
  reportData(program, room, 0x1_0000);
  reportData(program, program.string(text), text.length);
  program.call("open", "openat", -100, program.string("/proc/self/cmdline"), 0);
  program.call("fill", "read", 4, room, 8);
  program.call("close", "close", 4);
  return program.finish();
}

function failing(): Program {
  const program = createProgram(launcherArch());
  program.call("enter nothing", "chdir", program.string("/proc/nonexistent"));
  return program.finish();
}

/** The process that runs the programs. */
async function processOf(): Promise<number> {
  const program = createProgram(launcherArch());
  const link = program.buffer(8);
  program.call({ label: "ask", result: link }, "getpid");
  reportData(program, link, 8);
  const { data } = await runProgram(launcher.path, program.finish());
  return Number(Buffer.from(data ?? []).readBigInt64LE(0));
}

const textOf = async (text: string): Promise<string> =>
  Buffer.from((await runProgram(launcher.path, echo(text, launcherArch()))).data ?? []).toString("latin1");

describe("runProgram", () => {
  it("runs programs in the order they come, in one process", async () => {
    expect(await Promise.all(["one", "two", "three"].map(textOf))).toEqual(["one", "two", "three"]);
    const first = await processOf();
    expect([await processOf(), readlinkSync(`/proc/${first}/exe`)]).toEqual([first, expect.stringContaining("(deleted)")]);
  });
  it("goes on after one that failed, and with what waited behind it", async () => {
    const [before, failed, after] = await Promise.all([textOf("before"), runProgram(launcher.path, failing()), textOf("after")]);
    expect([before, failed.failure, after]).toEqual(["before", { label: "enter nothing", errno: 2, code: "ENOENT" }, "after"]);
  });
  it("says when the process was killed, and makes another", async () => {
    const killed = await processOf();
    const program = createProgram(launcherArch());
    // what no program follows ends with the process only
    program.call("wait", "read", 5, program.buffer(8), 1);
    const waiting = runProgram(launcher.path, program.finish());
    process.kill(killed, "SIGKILL");
    await expect(waiting).rejects.toMatchObject({ code: "SANDBOX_HELPER_FAILED" });
    expect(await processOf()).not.toBe(killed);
  });
  it("takes programs larger than a socket's buffer", async () => {
    const program = createProgram(launcherArch());
    for (let i = 0; i < 20_000; i++) program.call({ label: `call ${i}`, onError: "ignore" }, "chdir", program.string(`/nonexistent/${i}`));
    expect(await runProgram(launcher.path, program.finish())).toEqual({});
  });
  it("ends with its launcher", async () => {
    const other = await openLauncher([directory]);
    const program = createProgram(launcherArch());
    const result = program.buffer(8);
    program.call({ label: "ask", result }, "getpid");
    reportData(program, result, 8);
    const { data } = await runProgram(other.path, program.finish());
    const pid = Number(Buffer.from(data ?? []).readBigInt64LE(0));
    other.close();
    const isThere = (): boolean => {
      try {
        return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
      } catch {
        return false;
      }
    };
    while (isThere()) await new Promise((resolve) => setTimeout(resolve, 5));
    await expect(runProgram("/proc/nonexistent/launcher", failing())).rejects.toThrow("ENOENT");
  });
});

const EMULATORS: Readonly<Record<LauncherArch, readonly string[]>> = {
  x64: ["qemu-x86_64-static", "qemu-x86_64"],
  arm64: ["qemu-aarch64-static", "qemu-aarch64"],
};

for (const arch of ["x64", "arm64"] as const) {
  const emulator = process.arch === arch ? [] : EMULATORS[arch].flatMap((name) => findHostTool(name) ?? []).slice(0, 1);
  const possible = process.arch === arch || emulator.length > 0;
  describe.skipIf(!possible)(`a launcher that stays, on ${arch}${possible ? "" : ` (needs ${EMULATORS[arch][0]})`}`, () => {
    it("starts each program with empty buffers, and ends with a failure", async () => {
      const path = join(directory, arch);
      writeFileSync(path, launcherExecutable(arch), { mode: 0o500 });
      const [file, ...args] = [...emulator, path];
      const child = spawn(file, args, { stdio: ["ignore", "ignore", "inherit", "pipe", "pipe", "pipe"], env: {} });
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
      const streams = child.stdio as readonly unknown[] as readonly Socket[];
      const { program: first, resident } = residentParts(arch);
      streams[4]?.end(first.bytes);
      streams[5]?.write(resident);
      const programs = [echo("one", arch), echo("two", arch)];
      for (const program of programs) streams[5]?.write(residentProgram(program, arch));
      const bad = createProgram(arch);
      bad.call("enter nothing", "chdir", bad.string("/proc/nonexistent"));
      const last = bad.finish();
      streams[5]?.write(residentProgram(last, arch));
      let told = await buffer(child.stdio[3] as Readable);
      for (const [i, text] of ["one", "two"].entries()) {
        const end = endOfReport(told) ?? 0;
        const report = told.subarray(0, end);
        expect(report.subarray(16, 16 + 0x1_0000).every((byte) => byte === 0)).toBe(true);
        expect(Buffer.from(parseReport(report, programs[i] ?? last).data ?? []).toString()).toBe(text);
        told = told.subarray(end);
      }
      expect(parseReport(told, last).failure).toEqual({ label: "enter nothing", errno: 2, code: "ENOENT" });
      expect(await ended).toBe(LAUNCHER_FAILED);
    });
  });
}
