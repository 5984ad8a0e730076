import { spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable, Writable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findHostTool } from "../host-tool.ts";
import { launcherExecutable } from "./executable.ts";
import { launch, openLauncher } from "./launcher.ts";
import { createProgram, LAUNCHER_FAILED, type Program } from "./program.ts";
import { errorName, type LauncherReport, parseReport, reportData, reportExecutions, reportWord } from "./report.ts";
import type { LauncherArch } from "./system-call.ts";

/** Emulators by machine; the machine's own programs need none. */
const EMULATORS: Readonly<Record<LauncherArch, readonly string[]>> = {
  x64: ["qemu-x86_64-static", "qemu-x86_64"],
  arm64: ["qemu-aarch64-static", "qemu-aarch64"],
};

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "varve-launcher-"));
  for (const arch of ["x64", "arm64"] as const) writeFileSync(join(directory, arch), launcherExecutable(arch), { mode: 0o500 });
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

for (const arch of ["x64", "arm64"] as const) {
  const emulator = process.arch === arch ? [] : EMULATORS[arch].flatMap((name) => findHostTool(name) ?? []).slice(0, 1);
  const possible = process.arch === arch || emulator.length > 0;
  const run = async (program: Program): Promise<{ stdout: string; exitCode: number | null; report: LauncherReport }> => {
    const [file, ...args] = [...emulator, join(directory, arch)];
    const child = spawn(file, args, { stdio: ["ignore", "pipe", "inherit", "pipe", "pipe"], env: {} });
    const exit = new Promise<number | null>((resolve) => child.once("close", resolve));
    (child.stdio[4] as Writable).end(program.bytes);
    const [stdout, report, exitCode] = await Promise.all([buffer(child.stdio[1] as Readable), buffer(child.stdio[3] as Readable), exit]);
    return { stdout: stdout.toString(), exitCode, report: parseReport(report, program) };
  };

  describe.skipIf(!possible)(`the launcher on ${arch}${possible ? "" : ` (needs ${EMULATORS[arch][0]})`}`, () => {
    it("makes the calls in order and ends with 0", async () => {
      const program = createProgram(arch);
      program.call("one", "write", 1, program.string("one "), 4);
      program.call("two", "write", 1, program.data(Buffer.from("two")), 3);
      expect(await run(program.finish())).toEqual({ stdout: "one two", exitCode: 0, report: {} });
    });

    it("stops at the first call that fails, and says which", async () => {
      const program = createProgram(arch);
      program.call({ label: "enter nothing", onError: "ignore" }, "chdir", program.string("/proc/nonexistent"));
      program.call("enter a file", "chdir", program.string("/proc/self/status"));
      program.call("never", "write", 1, program.string("never"), 5);
      expect(await run(program.finish())).toEqual({
        stdout: "",
        exitCode: LAUNCHER_FAILED,
        report: { failure: { label: "enter a file", errno: 20, code: "ENOTDIR" } },
      });
    });

    it("passes six arguments and keeps results", async () => {
      const program = createProgram(arch);
      const { results, send } = reportExecutions(program, 3);
      const at = (i: number): { readonly result: { readonly address: number } } => ({ result: results[i] ?? { address: 0 } });
      program.call({ label: "umask", ...at(0) }, "umask", 0o27);
      program.call({ label: "umask", ...at(1) }, "umask", 0);
      program.call({ label: "prctl", onError: "ignore", ...at(2) }, "prctl", 47, 1, 99, 1, 2, 0);
      send();
      const { report } = await run(program.finish());
      expect(report.execute?.slice(1)).toEqual([0o27, -22]);
    });

    it("forks, and waits for the other process", async () => {
      const program = createProgram(arch);
      const parent = program.branch();
      const child = reportWord(program, "child");
      const status = reportWord(program, "status");
      program.call({ label: "fork", onPositive: parent, result: child.result }, "clone", 17, 0, 0, 0, 0);
      program.call("speak", "write", 1, program.string("child"), 5);
      program.call("leave", "exit_group", 7);
      program.mark(parent);
      child.send();
      program.call("wait", "wait4", -1, status.result, 0, 0);
      status.send();
      const { stdout, exitCode, report } = await run(program.finish());
      expect({ stdout, exitCode, status: report.status }).toEqual({ stdout: "child", exitCode: 0, status: 7 << 8 });
      expect(report.child).toBeGreaterThan(0);
    });

    it("executes with arguments and environment as bytes", async () => {
      const program = createProgram(arch);
      const text = (value: string): { readonly address: number } => program.string(Buffer.from(value).toString("latin1"));
      program.call(
        "execute",
        "execve",
        text("/bin/sh"),
        program.words([text("sh"), text("-c"), text('echo "$0 $A"'), text("ü"), 0]),
        program.words([text("A=ö"), 0]),
      );
      expect((await run(program.finish())).stdout).toBe("ü ö\n");
    });

    it("takes programs larger than a pipe, and gives back buffers", async () => {
      const program = createProgram(arch);
      for (let i = 0; i < 20_000; i++) program.call({ label: `call ${i}`, onError: "ignore" }, "chdir", program.string(`/nonexistent/${i}`));
      const buffer_ = program.buffer(100_000);
      program.call("open", "openat", -100, program.string("/proc/self/cmdline"), 0);
      program.call("read", "read", 4, buffer_, 100);
      reportData(program, buffer_, 100_000);
      const { report } = await run(program.finish());
      expect(report.data).toHaveLength(100_000);
      expect(Buffer.from(report.data ?? []).toString("latin1")).toContain(join(directory, arch));
    });
  });
}

describe("launch", () => {
  it("shares descriptors after the program's own, and nothing else", async () => {
    const launcher = await openLauncher([directory]);
    const file = join(directory, "shared");
    writeFileSync(file, "");
    const shared = openSync(file, "a");
    const program = createProgram(process.arch as LauncherArch);
    program.call("write", "write", 5, program.string("here"), 4);
    const other = program.string("/proc/self/fd/6");
    program.call({ label: "look", onError: "ignore" }, "chdir", other);
    const { report } = await launch({ command: [launcher.path], program: program.finish(), stdio: ["ignore", "ignore", "ignore"], descriptors: [shared] })
      .ended;
    closeSync(shared);
    launcher.close();
    expect(report).toEqual({});
    expect(readFileSync(file, "utf8")).toBe("here");
  });
  it("rejects when the command is not there", async () => {
    const program = createProgram(process.arch as LauncherArch);
    await expect(launch({ command: ["/proc/nonexistent/launcher"], program: program.finish(), stdio: ["ignore", "ignore", "ignore"] }).ended).rejects.toThrow(
      "ENOENT",
    );
  });
});

describe("openLauncher", () => {
  it("takes the first directory it can execute from, and leaves nothing there", async () => {
    const launcher = await openLauncher(["/proc/nonexistent", "/proc", directory]);
    expect(readdirSync(directory).filter((name) => name.startsWith("."))).toEqual([]);
    const program = createProgram(process.arch as LauncherArch).finish();
    expect((await launch({ command: [launcher.path], program, stdio: ["ignore", "ignore", "ignore"] }).ended).exitCode).toBe(0);
    launcher.close();
  });
  it("tells why none will do", async () => {
    await expect(openLauncher(["/proc/nonexistent", "/proc"])).rejects.toMatchObject({
      code: "SANDBOX_UNAVAILABLE",
      details: [expect.stringContaining("/proc/nonexistent: ENOENT") as string, expect.stringContaining("/proc: ") as string],
    });
  });
});

describe("parseReport", () => {
  it("leaves out what a killed process did not finish", () => {
    for (const length of [0, 7, 15, 40, 79]) expect(parseReport(Buffer.alloc(length, 0xff), { labels: [] })).toEqual({});
  });
  it("names errors it knows, and numbers others", () => {
    expect([errorName(13), errorName(4000)]).toEqual(["EACCES", "Unknown system error -4000"]);
  });
});
