import { describe, expect, test } from "vitest";
import { check } from "./check/check-case.fixture.ts";
import { PLAN_LIMIT } from "./plan-budget.ts";
import { plan, refusal } from "./plan-case.fixture.ts";

/** `name1=$name0$name0` and so on: each twice as long as the one before. */
const doubling = (keyword: string, times: number): string =>
  `${keyword} a0=0123456789\n${Array.from({ length: times }, (_, i) => `${keyword} a${i + 1}=$a${i}$a${i}\n`).join("")}`;
const KIB_640 = doubling("ENV", 16);

describe("variables that double from line to line", () => {
  test.each([
    ["ENV", `FROM scratch\n${doubling("ENV", 60)}`, 19],
    ["ARG", `FROM scratch\n${doubling("ARG", 60)}`, 19],
    ["ARG before FROM", `${doubling("ARG", 60)}FROM $a60\n`, 18],
  ])("%s: one expansion has its limit", (_name, text, line) => {
    expect(refusal(text)).toMatchObject({
      code: "DOCKERFILE_EXPANSION",
      message: expect.stringContaining("grows past 1048576"),
      source: { range: { start: { line } } },
    });
  });
});

describe("many long values together are refused", () => {
  const many = (of: (i: number) => string): string => Array.from({ length: 120 }, (_, i) => of(i)).join("");
  test.each([
    ["labels in a line", `LABEL${many((i) => ` l${i}=x$a16`)}\n`],
    ["heredocs", many(() => "COPY <<E /x\n$a16\nE\n")],
    ["titles of RUN", many(() => "RUN x $a16\n")],
  ])("%s", (_name, text) => {
    expect(refusal(`FROM base\n${KIB_640}${text}`)).toMatchObject({ code: "PLAN_TOO_LARGE", hint: expect.any(String), source: { range: expect.anything() } });
  });
  test("before FROM", () => {
    expect(refusal(`${doubling("ARG", 16)}${many((i) => `ARG e${i}=x$a16\n`)}FROM base\n`)).toMatchObject({ code: "PLAN_TOO_LARGE" });
  });
  test("ports", () => {
    expect(refusal(`FROM base\nEXPOSE ${"1-65535 ".repeat(200)}\n`)).toMatchObject({ code: "PLAN_TOO_LARGE" });
  });
});

test("a plan may amount to its limit", () => {
  const word = "x".repeat(1024 * 1024 - 1);
  expect(plan(`FROM scratch\nLABEL ${Array.from({ length: 3 }, (_, i) => `l${i}=${word}`).join(" ")}\n`).history).toHaveLength(1);
  expect(PLAN_LIMIT).toBe(64 * 1024 * 1024);
});

test("a warning for each of very many lines", () => {
  const warnings = check(`FROM scratch\n${"LABEL a \\\n\n b\n".repeat(1000)}`);
  expect(warnings.filter(({ rule }) => rule === "NoEmptyContinuation")).toHaveLength(1000);
});

test("what is near a name of many characters is not looked for", () => {
  expect(check(`FROM scratch\nENV ${"a".repeat(100_000)}=x\nLABEL l=$${"a".repeat(99_999)}\n`).map(({ message }) => message.length)).toEqual([100_030]);
});
