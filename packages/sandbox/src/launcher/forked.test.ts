import { execFileSync } from "node:child_process";
import { constants, mkdtempSync, openSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { BytePath } from "@varve/bytes";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { beginForked, type Forked, runForked } from "./forked.ts";
import { type Launcher, openLauncher } from "./launcher.ts";
import { createProgram, type ProgramBuilder } from "./program.ts";
import { runProgram } from "./program-runner.ts";
import { reportWord } from "./report.ts";
import { launcherArch } from "./system-call.ts";

let directory = "";
let launcher: Launcher;
beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), "varve-forked-"));
  launcher = await openLauncher([directory]);
});
afterAll(() => {
  launcher.close();
  rmSync(directory, { recursive: true, force: true });
});

const reader = (path: string): Socket => new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false });

interface Started extends Forked {
  readonly output: Promise<string>;
  readonly error: Promise<string>;
}

/** Makes a process that does what `add` adds. */
async function fork(add: (program: ProgramBuilder) => void, closeRange?: boolean): Promise<Started> {
  const folder = mkdtempSync(join(directory, "pipes-"));
  const [output, error, report] = ["output", "error", "report"].map((name) => `${folder}/${name}` as BytePath) as [BytePath, BytePath, BytePath];
  execFileSync("mkfifo", [output, error, report]);
  const program = createProgram(launcherArch());
  const end = beginForked(program, { output, error, report }, closeRange);
  add(program);
  end();
  const [told, ...outputs] = [report, output, error].map(reader) as [Socket, Socket, Socket];
  const forked = await runForked(launcher.path, program.finish(), told);
  expect(readdirSync(folder)).toEqual([]);
  const [first, second] = outputs.map(async (stream) => text(stream)) as [Promise<string>, Promise<string>];
  return { ...forked, output: first, error: second };
}

function print(program: ProgramBuilder, descriptor: number, words: string): void {
  program.call("print", "write", descriptor, program.string(words), words.length);
}

/** Waits until it is killed: nobody knows of the socket. */
function wait(program: ProgramBuilder): void {
  program.call("make a socket", "socket", 1, 2, 0);
  program.call("wait", "recvfrom", 4, program.buffer(8), 8, 0);
}

const children = (pid: number): string => readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();

/** The process that stays. */
function resident(): number {
  const found = children(process.pid)
    .split(" ")
    .filter((pid) => readlinkSync(`/proc/${pid}/exe`).includes("varve-launcher"));
  expect(found).toHaveLength(1);
  return Number(found[0]);
}

describe("a process that a launcher that stays makes of itself", () => {
  it.each([true, false])("has its three pipes and nothing else open (close_range: %s)", async (closeRange) => {
    const started = await fork((program) => {
      print(program, 1, "out");
      print(program, 2, "err");
      // the lowest that is free
      const opened = reportWord(program, "status");
      program.call({ label: "open", result: opened.result }, "openat", -100, program.string("/dev/null"), 0);
      opened.send();
    }, closeRange);
    expect([await started.output, await started.error, (await started.ended).status]).toEqual(["out", "err", 4]);
  });

  it("runs while the launcher makes the calls of other programs, in a session of its own", async () => {
    const started = await fork(wait);
    const program = createProgram(launcherArch());
    program.call("enter a directory", "chdir", program.string("/"));
    expect(await runProgram(launcher.path, program.finish())).toEqual({});
    const stat = readFileSync(`/proc/${started.pid}/stat`, "latin1").split(") ")[1]?.split(" ") ?? [];
    expect([Number(stat[1]), Number(stat[3])]).toEqual([resident(), started.pid]);
    process.kill(started.pid, "SIGKILL");
    expect(await started.ended).toEqual({});
  });

  it("tells the call that failed, and the launcher goes on", async () => {
    const started = await fork((program) => program.call("enter nothing", "chdir", program.string(join(directory, "nothing"))));
    expect((await started.ended).failure).toEqual({ label: "enter nothing", errno: 2, code: "ENOENT" });
    const before = resident();
    await (
      await fork(() => {})
    ).ended;
    expect(resident()).toBe(before);
  });

  it("goes on when the launcher fails at another program, and is not waited for by the next", async () => {
    const started = await fork(wait);
    const program = createProgram(launcherArch());
    program.call("enter nothing", "chdir", program.string(join(directory, "nothing")));
    expect((await runProgram(launcher.path, program.finish())).failure?.code).toBe("ENOENT");
    await (
      await fork(() => {})
    ).ended;
    process.kill(started.pid, 0);
    process.kill(started.pid, "SIGKILL");
    await started.ended;
  });

  it("leaves no more than its last one unwaited for", async () => {
    for (let i = 0; i < 4; i++) await (await fork(() => {})).ended;
    const left = children(resident());
    expect(left.split(" ").filter(Boolean).length).toBeLessThan(3);
  });

  it("is SANDBOX_SETUP_FAILED where it cannot be made", async () => {
    const program = createProgram(launcherArch());
    const missing = join(directory, "nothing/pipe") as BytePath;
    beginForked(program, { output: missing, error: missing, report: missing })();
    const path = join(directory, "told");
    execFileSync("mkfifo", [path]);
    const told = reader(path);
    await expect(runForked(launcher.path, program.finish(), told)).rejects.toMatchObject({
      code: "SANDBOX_SETUP_FAILED",
      message: "cannot open a pipe: ENOENT",
    });
    told.destroy();
  });
});
