import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseDockerfile, RULES } from "@varve/dockerfile";
import { describe, expect, test } from "vitest";
import { check, shown } from "./check-case.fixture.ts";
import { checkBuild, refuseWarnings } from "../index.ts";
import { AMD64, plan, refusal } from "../plan-case.fixture.ts";

const folder = fileURLToPath(new URL("../../../../docs/rules/", import.meta.url));

describe("docs/rules", () => {
  const pages = readdirSync(folder).filter((name) => name !== "README.md");
  test("has a page for every rule", () => {
    const titles = pages.map((name) => /^# (.*)/.exec(readFileSync(folder + name, "utf8"))?.[1]);
    expect(new Set(titles)).toEqual(new Set(RULES.map(({ name }) => name)));
    expect(titles).toHaveLength(22);
  });
  test.each(pages)("%s", (name) => {
    const page = readFileSync(folder + name, "utf8");
    const rule = /^# (.*)/.exec(page)?.[1];
    const output = /```text\n(.*)\n```/.exec(page)?.[1];
    const [bad, good] = [...page.matchAll(/```dockerfile\n([^]*?)```/g)].map((match) => match[1] ?? "");
    expect(check(bad ?? "").filter((warning) => warning.rule === rule)).toMatchObject([{ message: output }]);
    expect(check(good ?? "")).toEqual([]);
  });
});

test("a check without a target looks at every stage, one with a target at what it needs", () => {
  const text = "FROM scratch AS first\nCOPY $foo /\nFROM scratch AS second\nCOPY $bar /\n";
  expect(shown(check(text))).toEqual(["2 UndefinedVar: Usage of undefined variable '$foo'", "4 UndefinedVar: Usage of undefined variable '$bar'"]);
  expect(shown(check(text, { target: "first", allStages: false }))).toEqual(["2 UndefinedVar: Usage of undefined variable '$foo'"]);
});

test("the directive, or the build argument in its place, says which rules count", () => {
  const text = "FROM scratch AS Base\nMAINTAINER me\n";
  expect(check(text).map(({ rule }) => rule)).toEqual(["StageNameCasing", "MaintainerDeprecated"]);
  expect(check(`# check=skip=StageNameCasing\n${text}`).map(({ rule }) => rule)).toEqual(["MaintainerDeprecated"]);
  expect(check(`# check=skip=all\n${text}`)).toEqual([]);
  expect(check(`# check=skip=all\n${text}`, { buildArgs: { BUILDKIT_DOCKERFILE_CHECK: "skip=MaintainerDeprecated" } })).toHaveLength(1);
  expect(refusal("# check=skip\nFROM scratch\n")).toMatchObject({ code: "DOCKERFILE_DIRECTIVE" });
});

test("error=true makes warnings an error that names the rules", () => {
  const text = "# check=error=true\nFROM scratch AS Base\nMAINTAINER me\n";
  const found = plan(text).warnings;
  const refuse = (): void => refuseWarnings(parseDockerfile(text), { buildArgs: {} }, found);
  expect(refuse).toThrow("lint violation found for rules: MaintainerDeprecated, StageNameCasing");
  expect(refuse).toThrow(expect.objectContaining({ code: "PLAN_CHECK_FAILED" }));
  refuseWarnings(parseDockerfile("FROM scratch"), { buildArgs: {} }, found);
});

test("what stands before an error is told with it", () => {
  const dockerfile = parseDockerfile("FROM scratch\nWORKDIR app\nEXPOSE http\n");
  const result = checkBuild(dockerfile, { buildArgs: {}, buildPlatform: AMD64, labels: {}, namedContexts: {}, network: "default" }, {});
  expect(result.error?.code).toBe("PLAN_INVALID_INSTRUCTION");
  expect(result.warnings.map(({ rule }) => rule)).toEqual(["WorkdirRelativePath"]);
});

test.each([
  ["FROM scratch\nARG A\nENV B=$A\n", []],
  ["FROM scratch\nARG A=1 B=$A C=$D\n", ["2 UndefinedVar: Usage of undefined variable '$D' (did you mean $A?)"]],
  ["From scratch as a\nFROM scratch AS b\n", ["1 ConsistentInstructionCasing: Command 'From' should match the case of the command majority (uppercase)"]],
  ["FROM scratch\nWORKDIR /a\nWORKDIR b\n", []],
  ["FROM scratch AS a\nWORKDIR /a\nFROM a\nWORKDIR b\n", []],
  ['FROM scratch\nSHELL ["/bin/sh", "-c"]\nCMD x\n', []],
  ["FROM --platform=linux/arm64 scratch AS for-arm64\n", []],
  ["FROM scratch\nENV KEY_FILE=x PUBLIC_KEY=y\n", []],
  ["FROM scratch\nCOPY \\\n\na \\\nb/ /\n", ["5 NoEmptyContinuation: Empty continuation line"]],
])("%j", (text, expected) => {
  expect(shown(check(text))).toEqual(expected);
});
