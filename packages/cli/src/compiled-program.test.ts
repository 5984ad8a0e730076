import { chmod, mkdtemp, readdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CompiledProgram, compileProgram } from "./compiled-program.ts";

let folder: string;
let path: string;
let kept: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "varve-compiled-"));
  path = join(folder, "program.cjs");
  kept = join(folder, "kept");
  await writeProgram("one");
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

function writeProgram(value: string): Promise<void> {
  return writeFile(path, `// ${value}\nmodule.exports = ${JSON.stringify(value)};\n`);
}

function run(program: CompiledProgram): unknown {
  const module = { exports: {} } as NodeJS.Module;
  program.body(module.exports, createRequire(path), module, path, folder);
  return module.exports;
}

function runAndKeep(command?: string): unknown {
  const program = compileProgram(path, kept, command);
  const result = run(program);
  program.keep();
  return result;
}

async function keptFile(): Promise<string> {
  const [name = ""] = await readdir(kept);
  return join(kept, name);
}

test("what one run compiled the next one takes, if it is the same program and command", async () => {
  expect(compileProgram(path, kept).reused).toBe(false);
  expect(runAndKeep()).toBe("one");
  const again = compileProgram(path, kept);
  expect(again.reused).toBe(true);
  expect(run(again)).toBe("one");
  expect(compileProgram(path, kept, "build").reused).toBe(false);
  // as long as the other: V8 compares no more than the length
  await writeProgram("two");
  const changed = compileProgram(path, kept);
  expect(changed.reused).toBe(false);
  expect(run(changed)).toBe("two");
});

test("a damaged file is not taken", async () => {
  runAndKeep();
  const file = await keptFile();
  const bytes = await readFile(file);
  bytes[bytes.length - 10] = (bytes.at(-10) ?? 0) ^ 1;
  await writeFile(file, bytes);
  expect(compileProgram(path, kept).reused).toBe(false);
  await writeFile(file, "");
  expect(run(compileProgram(path, kept))).toBe("one");
});

test.skipIf(process.platform === "win32")("nothing is taken that another user could have written", async () => {
  runAndKeep();
  const file = await keptFile();
  await chmod(file, 0o620);
  expect(compileProgram(path, kept).reused).toBe(false);
  await chmod(file, 0o600);
  await chmod(kept, 0o777);
  expect(compileProgram(path, kept).reused).toBe(false);
  await chmod(kept, 0o700);
  expect(compileProgram(path, kept).reused).toBe(true);
  await rename(file, join(folder, "elsewhere"));
  await symlink(join(folder, "elsewhere"), file);
  expect(compileProgram(path, kept).reused).toBe(false);
});

test("where nothing can be written the program runs all the same", async () => {
  kept = join(path, "kept");
  expect(runAndKeep()).toBe("one");
});

test("few are kept", async () => {
  for (let n = 0; n < 20; n++) runAndKeep(String(n));
  expect((await readdir(kept)).length).toBe(16);
  expect(compileProgram(path, kept, "19").reused).toBe(true);
});
