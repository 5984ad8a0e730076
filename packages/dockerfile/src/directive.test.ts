import { describe, expect, test } from "vitest";
import { checkOptionsOf } from "./check/check-options.ts";
import { findDirective, matchDirective } from "./directive.ts";
import { parseDockerfile, parseDockerfileTolerant } from "./parser.ts";

// after BuildKit's frontend/dockerfile/parser/directives.go and directives_test.go: `check` and `syntax` are looked for in the text before it is parsed,
// `escape` by the parser itself, and the two don't read a first line `#!…` or blanks in front of a directive alike

describe("one line", () => {
  test.each<[string, ReturnType<typeof matchDirective>]>([
    ["#escape=\\", { name: "escape", value: "\\" }],
    ["# EScape = ` ", { name: "escape", value: "`" }],
    ["#\t\u00a0syntax\t=\ta b\t", { name: "syntax", value: "a b" }],
    ["# check=skip=A;error=true", { name: "check", value: "skip=A;error=true" }],
    ["# check==", { name: "check", value: "=" }],
    ["# check=", undefined],
    ["# key = value", undefined],
    ["# 1escape=`", undefined],
    ["# es-cape=`", undefined],
    ["## escape=`", undefined],
    ["# escape `", undefined],
    ["escape=`", undefined],
    ["//escape=`", undefined],
  ])("%j", (line, expected) => {
    expect(matchDirective(line)).toEqual(expected);
  });
});

test.each<[string, string | undefined]>([
  ["# check = skip=all // why\nFROM a\n", "skip=all // why"],
  ["\ufeff# check=skip=all\nFROM a\n", "skip=all"],
  ["# check=skip=all\r\nFROM a\r\n", "skip=all"],
  ["# check=skip=all", "skip=all"],
  ["# syntax=x\n# escape=`\n# check=skip=all\nFROM a\n", "skip=all"],
  ["#!/usr/bin/env x\n# check=skip=all\nFROM a\n", "skip=all"],
  ["\ufeff#!/usr/bin/env x\r\n# syntax=x\n# check=skip=all\nFROM a\n", "skip=all"],
  ["#!a\n#!b\n# check=skip=all\nFROM a\n", undefined],
  ["#!a\n\n# check=skip=all\nFROM a\n", undefined],
  ["#!a", undefined],
  ["\n# check=skip=all\nFROM a\n", undefined],
  ["# a remark\n# check=skip=all\nFROM a\n", undefined],
  ["# key=value\n# check=skip=all\nFROM a\n", undefined],
  [" # check=skip=all\nFROM a\n", undefined],
  [" # escape=`\n# check=skip=all\nFROM a\n", undefined],
  ["#!a\n# check=skip=A\n# check=skip=B\nFROM a\n", "skip=A"],
  ["#!a\n# syntax=x\n# syntax=y\n# check=skip=A\nFROM a\n", undefined],
  ["//check=skip=all\nFROM a\n", undefined],
  ["FROM a\n# check=skip=all\n", undefined],
])("check in %j", (text, expected) => {
  expect(findDirective(text, "check")?.value).toBe(expected);
});

test("options behind #! count, and an error in them is shown at their line", () => {
  expect(checkOptionsOf(parseDockerfile("#!x\n# check=skip=A,B;error=true // remark\nFROM a\n"))).toEqual({ skip: ["A", "B"], experimental: [], error: true });
  expect(() => checkOptionsOf(parseDockerfile("#!x\r\n# check=skip\r\nFROM a\n"))).toThrow(
    expect.objectContaining({
      code: "DOCKERFILE_DIRECTIVE",
      source: expect.objectContaining({ range: expect.objectContaining({ start: { line: 2, column: 1, offset: 5 } }) }),
    }),
  );
});

test("escape behind #! is a comment, behind blanks it is none", () => {
  expect(parseDockerfile("#!x\n# escape=`\nFROM a\n").escape).toBe("\\");
  expect(parseDockerfile("  # escape=`\nFROM a\n").escape).toBe("`");
  expect(parseDockerfile("#!x\n# escape=`\n# escape=`\nFROM a\n").escape).toBe("\\");
});

test.each<[string, string | undefined]>([
  ["# syntax=evil/frontend:1 // why\nFROM a\n", "1:1-1:32"],
  ["#!x\n# syntax=evil/frontend\nFROM a\n", "2:1-2:23"],
  ["#!x\n# syntax=docker/dockerfile:1\nFROM a\n", undefined],
  ["# escape=`\n#syntax=evil/frontend\nFROM a\n", "2:1-2:22"],
  [" # syntax=evil/frontend\nFROM a\n", undefined],
])("the warning about a remote frontend in %j", (text, expected) => {
  const found = parseDockerfile(text).warnings.map(({ rule, range: { start, end } }) => `${rule} ${start.line}:${start.column}-${end.line}:${end.column}`);
  expect(found).toEqual(expected === undefined ? [] : [`RemoteFrontend ${expected}`]);
});

test.each<[string, string, string]>([
  ["//syntax=foo/bar\nexport {}\n", "foo/bar", "1:1"],
  ["#!/bin/x\n// syntax = foo/bar\nlet x\n", "foo/bar", "2:1"],
  ['{"syntax": "foo/bar", "a": [1]}', "foo/bar", "1:1"],
  ['#!x\n{"a": 1,\n"syntax": "foo/bar"}\n', "foo/bar", "2:1"],
])("%j is another language", (text, frontend, place) => {
  const { errors, dockerfile } = parseDockerfileTolerant(text, { file: "build.x" });
  expect(errors.map(({ code, message, source }) => `${source?.range.start.line}:${source?.range.start.column} ${code} ${message}`)).toEqual([
    `${place} DOCKERFILE_DIRECTIVE build.x is written for the frontend ${frontend}, which is not fetched`,
  ]);
  expect(dockerfile.text).toBe(text);
});

test.each([
  ['{"syntax": "foo"', /unknown instruction/],
  ['{"syntax": "foo"}\n# syntax=bar', /unknown instruction/],
  ['{"syntax": 1}', /unknown instruction/],
  ["//syntax=docker/dockerfile:1\nFROM a\n", /unknown instruction/],
  ["// a remark\nFROM a\n", /unknown instruction/],
])("%j is a Dockerfile with an unknown instruction", (text, message) => {
  expect(() => parseDockerfile(text)).toThrow(message);
});
