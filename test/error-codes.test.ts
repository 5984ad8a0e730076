import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ERROR_CODES } from "@varve/errors";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));

function sourcesBelow(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (name === "node_modules" || name === "dist" || name === "codes") return [];
    return statSync(path).isDirectory() ? sourcesBelow(path) : path.endsWith(".ts") ? [path] : [];
  });
}

const files = [...sourcesBelow(join(root, "packages")), ...sourcesBelow(join(root, "test"))].map((path) => ({ path, text: readFileSync(path, "utf8") }));
const isTest = (path: string): boolean => path.endsWith(".test.ts") || path.startsWith(join(root, "test"));
const named = (where: readonly { readonly text: string }[], code: string): boolean => where.some(({ text }) => new RegExp(`\\b${code}\\b`).test(text));

test("every code is thrown somewhere", () => {
  const sources = files.filter(({ path }) => !isTest(path));
  expect(Object.keys(ERROR_CODES).filter((code) => !named(sources, code))).toEqual([]);
});

test("every code is tested somewhere", () => {
  const tests = files.filter(({ path }) => isTest(path));
  expect(Object.keys(ERROR_CODES).filter((code) => !named(tests, code))).toEqual([]);
});

test("docs/errors.md is what the script writes", () => {
  const page = execFileSync(process.execPath, [join(root, "scripts/write-errors-doc.mjs"), "--print"], { encoding: "utf8" });
  expect(readFileSync(join(root, "docs/errors.md"), "utf8"), "node scripts/write-errors-doc.mjs writes it anew").toBe(page);
});
