import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const CASES = fileURLToPath(new URL("../../fixtures/builds", import.meta.url));

/** Where a build must stop. */
export interface ExpectedError {
  readonly line: number;
  readonly code: string;
  /** Part of the message. */
  readonly message: string;
}

/** A folder of fixtures/builds; its README tells what the files hold. */
export interface GoldenCase {
  readonly name: string;
  readonly dockerfile: string;
  /** Lines of `context`, `options`. */
  readonly context: readonly string[];
  readonly options: readonly string[];
  /** Lines of `expected` without comments, or the error it names. */
  readonly expected: readonly string[] | ExpectedError;
  /** The comments of `expected`: where BuildKit says so. */
  readonly citations: readonly string[];
  /** Lines of `buildah` without comments: how Debian's buildah differs. */
  readonly buildah: readonly string[];
  /** The comments of `buildah`: why, and which is right. */
  readonly buildahReasons: readonly string[];
}

/** All cases, by name. */
export function goldenCases(): readonly GoldenCase[] {
  return readdirSync(CASES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => readCase(entry.name))
    .toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** Whether a case must be refused. */
export function isRefused(expected: GoldenCase["expected"]): expected is ExpectedError {
  return !Array.isArray(expected);
}

function readCase(name: string): GoldenCase {
  const folder = join(CASES, name);
  const lines = readLines(join(folder, "expected"));
  const outcome = lines.filter((line) => !line.startsWith("#"));
  const buildah = readLines(join(folder, "buildah"));
  const [, line, code, message] = /^error (\d+) (\w+) (.+)$/.exec(outcome[0] ?? "") ?? [];
  return {
    name,
    dockerfile: join(folder, "Dockerfile"),
    context: readLines(join(folder, "context")),
    options: readLines(join(folder, "options")),
    expected: code === undefined || message === undefined ? outcome : { line: Number(line), code, message },
    citations: commentsOf(lines),
    buildah: buildah.filter((text) => !text.startsWith("#")),
    buildahReasons: commentsOf(buildah),
  };
}

function commentsOf(lines: readonly string[]): readonly string[] {
  return lines.filter((line) => line.startsWith("# ")).map((line) => line.slice(2));
}

function readLines(path: string): readonly string[] {
  return existsSync(path)
    ? readFileSync(path, "utf8")
        .split("\n")
        .filter((line) => line !== "")
    : [];
}
