import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { compileGlob, parsePatterns } from "@varve/dockerfile";
import { isVarveError } from "@varve/errors";
import { hasTool } from "@varve/testkit";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** Debian's golang-github-moby-patternmatcher-dev puts it there; VARVE_GO_LIBRARY is another place. */
const LIBRARY = process.env["VARVE_GO_LIBRARY"] ?? "/usr/share/gocode";
const isThere = hasTool("go") && existsSync(join(LIBRARY, "src/github.com/moby/patternmatcher"));
const RUNS = 30_000;

/** Reads one question a line, and answers for each path, or "error" once. */
const PROGRAM = `package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/moby/patternmatcher"
)

type question struct {
	Patterns []string
	Glob     string
	Paths    []string
}

func answer(q question) interface{} {
	found := []bool{}
	if q.Patterns == nil {
		for _, path := range q.Paths {
			match, err := filepath.Match(q.Glob, path)
			if err != nil {
				return "error"
			}
			found = append(found, match)
		}
		return found
	}
	matcher, err := patternmatcher.New(q.Patterns)
	if err != nil {
		return "error"
	}
	infos := map[string]patternmatcher.MatchInfo{}
	for _, path := range q.Paths {
		match, info, err := matcher.MatchesUsingParentResults(path, infos[filepath.Dir(path)])
		if err != nil {
			return "error"
		}
		infos[path] = info
		found = append(found, match)
	}
	return found
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<24)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			panic(err)
		}
		text, _ := json.Marshal(answer(q))
		fmt.Println(string(text))
	}
}
`;

// a pattern with a leading slash matches nothing here; there, with a `|` in it, it may
const ATOMS = [
  "a",
  "b",
  "c",
  "*",
  "**",
  "?",
  "/",
  "/",
  "[ab]",
  "[^a]",
  "[!a]",
  "[a-c]",
  "\\a",
  "\\*",
  ".",
  "é",
  "[^/]",
  "**/",
  "/**",
  "a*",
  "+",
  "(",
  "$",
  "^",
];
const NAMES = ["a", "b", "c", "ab", "abc", ".a", "a.b", "é", "*", "!a", "a]", "a+", "a$", "^a", "(", "aa", "bca"];
const PATTERN = fc
  .array(fc.constantFrom(...ATOMS), { minLength: 1, maxLength: 5 })
  .map((atoms) => atoms.join(""))
  // which Go cleans away before it looks for the `!`
  .filter((text) => !text.includes(".."));
/** Without classes that take a slash: after a star Go's `Match` gives up at the first place that fits, where they could fit at another (9 of 320,000). */
const GLOB = fc.array(fc.constantFrom(...ATOMS.filter((atom) => !atom.startsWith("[^"))), { minLength: 1, maxLength: 5 }).map((atoms) => atoms.join(""));
const PATHS = fc
  .array(fc.array(fc.constantFrom(...NAMES), { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 })
  .map((paths) => [...new Set(paths.flatMap((names) => names.map((_, at) => names.slice(0, at + 1).join("/"))))].toSorted(byDepth));

let folder: string;
const toBytes = (path: string): string => String.fromCharCode(...new TextEncoder().encode(path));

describe.skipIf(!isThere)(isThere ? "patterns" : "patterns (needs go, golang-github-moby-patternmatcher-dev)", () => {
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "varve-patterns-"));
    writeFileSync(join(folder, "main.go"), PROGRAM);
    const env = { ...process.env, GOPATH: LIBRARY, GO111MODULE: "off", GOCACHE: join(folder, "cache") };
    execFileSync("go", ["build", "-o", "reference", "main.go"], { cwd: folder, env });
  }, 300_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("of ignore files are matched as by moby/patternmatcher", () => {
    const rules = fc
      .array(fc.tuple(fc.boolean(), PATTERN), { minLength: 1, maxLength: 3 })
      .map((given) => given.map(([negated, text]) => (negated ? `!${text}` : text)));
    const questions = fc.sample(fc.record({ Patterns: rules, Paths: PATHS }), { numRuns: RUNS, seed: 1 });
    const answers = ask(questions);
    for (const [at, question] of questions.entries()) expect([question, matchRules(question)]).toEqual([question, answers[at]]);
  });

  test("of COPY are matched as by Go's filepath.Match", () => {
    const questions = fc.sample(fc.record({ Glob: GLOB, Paths: PATHS }), { numRuns: RUNS, seed: 1 });
    const answers = ask(questions);
    for (const [at, question] of questions.entries()) expect([question, matchGlob(question)]).toEqual([question, answers[at]]);
  });
});

function matchGlob({ Glob, Paths }: { readonly Glob: string; readonly Paths: readonly string[] }): unknown {
  const glob = compileGlob(Glob);
  return glob === undefined ? "error" : Paths.map((path) => glob.matches(path));
}

function byDepth(a: string, b: string): number {
  return a.split("/").length - b.split("/").length || (a < b ? -1 : 1);
}

function ask(questions: readonly object[]): unknown[] {
  const input = questions.map((question) => `${JSON.stringify(question)}\n`).join("");
  const output = execFileSync(join(folder, "reference"), { input, encoding: "utf8", maxBuffer: 2 ** 30 });
  return output
    .trim()
    .split("\n")
    .map((line): unknown => JSON.parse(line));
}

function matchRules({ Patterns, Paths }: { readonly Patterns: readonly string[]; readonly Paths: readonly string[] }): unknown {
  try {
    const matcher = parsePatterns(Patterns);
    return Paths.map((path) => matcher.matches(toBytes(path)));
  } catch (error) {
    if (isVarveError(error, "DOCKERFILE_IGNORE_PATTERN")) return "error";
    throw error;
  }
}
