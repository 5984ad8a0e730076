import { closeSync, writeSync } from "node:fs";
import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { ReadStream } from "node:tty";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Launcher, openLauncher } from "./launcher/launcher.ts";
import { openTerminal } from "./terminal.ts";

let launcher: Launcher;
beforeAll(async () => {
  launcher = await openLauncher([tmpdir()]);
});
afterAll(() => launcher.close());

test("a process on the other end has a terminal of the size that was set, and reads what is typed", async () => {
  const terminal = await openTerminal(launcher);
  await terminal.resize({ columns: 123, rows: 45 });
  const child = spawn("/bin/sh", ["-c", "test -t 0 && stty size && read line && echo got $line"], {
    stdio: [terminal.slave, terminal.slave, terminal.slave],
    detached: true,
  });
  closeSync(terminal.slave);
  writeSync(terminal.master, "hello\n");
  const output = new ReadStream(terminal.master);
  let text = "";
  output.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
  output.on("error", () => {});
  await Promise.all([new Promise((resolve) => child.once("close", resolve)), new Promise((resolve) => output.once("close", resolve))]);
  expect(text.replaceAll("\r", "")).toBe("hello\n45 123\ngot hello\n");
});
