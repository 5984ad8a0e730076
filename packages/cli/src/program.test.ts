import { readFile } from "node:fs/promises";
import { createRedactor } from "@varve/errors";
import { CommanderError } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "./program.ts";

async function helpOf(...args: readonly string[]): Promise<string> {
  let text = "";
  const signal = new AbortController().signal;
  const print = (more: string): void => void (text += more);
  const program = createProgram({ signal, env: {}, home: "/none", insecureRegistries: [], redactor: createRedactor(), debug: false, print, say: () => {} });
  await program.run([...args, "--help"]).catch((error: unknown) => {
    // how commander ends
    if (!(error instanceof CommanderError)) throw error;
  });
  return text;
}

const top = await helpOf();
const commands = [...top.matchAll(/^ {2}([a-z]+)/gm)].flatMap(([, name]) => (name === undefined || name === "help" ? [] : [name]));

test.each(commands)("the help of %s fits into 80 columns", async (command) => {
  const text = await helpOf(command);
  expect(text).toMatch(new RegExp(`^Usage: varve ${command}\\b`));
  expect(text.split("\n").filter((line) => line.length > 80)).toEqual([]);
});

test("the README names every command", async () => {
  expect(top.split("\n").filter((line) => line.length > 80)).toEqual([]);
  const readme = await readFile(new URL("../../../README.md", import.meta.url), "utf8");
  expect(commands.filter((command) => !new RegExp(`(?:\`|varve )${command}\\b`).test(readme))).toEqual([]);
});
