import { expect, test } from "vitest";
import { commentsAbove, descriptionOf } from "./comment.ts";
import { parseDockerfile } from "./parser.ts";
import { listTargets } from "./target.ts";

test.each([
  ["# one\n#two\nFROM a AS x\n", ["one", "two"]],
  ["# one\n\n# two\r\n\nFROM a AS x\n", ["one", "two"]],
  ["# one\n\t# two\r\nFROM a AS x\n", ["one", "# two"]],
  ["# one\n  #\n# two\nFROM a AS x\n", ["one", "#", "two"]],
  ["\ufeff# one\nFROM a AS x\n", ["one"]],
  ["#!/bin/sh\n# check=skip=all\nFROM a AS x\n", ["!/bin/sh", "check=skip=all"]],
  ["# one\n#\n# two\nFROM a AS x\n", ["two"]],
  ["# syntax=docker/dockerfile:1\n# check=skip=all\n# one\nFROM a AS x\n", ["one"]],
  ["# syntax=docker/dockerfile:1\n", []],
  ["\n# one\nFROM a AS x\n", ["one"]],
  ["\n\nFROM a AS x\n", []],
  ["ARG A\n# one\nFROM a AS x\n", ["one"]],
  ["ARG A \\\n# inside\n B\n# one\nFROM a AS x\n", ["one"]],
])("the comments above the first FROM of %j", (text, expected) => {
  const dockerfile = parseDockerfile(text.includes("FROM") ? text : `${text}FROM a AS x\n`);
  expect(commentsAbove(dockerfile, dockerfile.stages[0]!.from)).toEqual(expected);
});

test("a description begins with the name", () => {
  const dockerfile = parseDockerfile("# x\n# xy no\n# x is it\n# x is not it\nFROM a AS x\n");
  const { from } = dockerfile.stages[0]!;
  expect(descriptionOf(dockerfile, from, "x")).toBe("is it");
  expect(descriptionOf(dockerfile, from, "y")).toBeUndefined();
});

test("targets are the stages, the last one by default", () => {
  const text =
    "# build makes the program\nFROM --platform=$BUILDPLATFORM golang:${V} AS Build\nRUN true\nFROM alpine\n\n# app is what runs\nFROM build AS app\n";
  expect(listTargets(parseDockerfile(text)).map(({ range, ...rest }) => ({ ...rest, line: range.start.line }))).toEqual([
    { name: "build", default: false, description: "makes the program", base: "golang:${V}", platform: "$BUILDPLATFORM", line: 2 },
    { default: false, base: "alpine", line: 4 },
    { name: "app", default: true, description: "is what runs", base: "build", line: 7 },
  ]);
});
