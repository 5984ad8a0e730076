import { expect, test } from "vitest";
import { DOCKERFILE_LIMIT, parseDockerfile, parseDockerfileTolerant } from "./parser.ts";

/** Each is expensive for a parser with a quadratic or exponential step. The long run makes them as large as a file may be. */
const size = process.env["VARVE_LONG"] === "1" ? DOCKERFILE_LIMIT - 200 : 128 * 1024;
const count = Math.floor(size / 40);
const hostile: readonly (readonly [string, string])[] = [
  ["one line", `RUN ${"x".repeat(size)}`],
  ["blanks", `RUN ${" ".repeat(size)}x`],
  ["blanks at the ends of lines", `RUN x\n${`${" ".repeat(1000)}\n`.repeat(size / 1001)}`],
  ["continuations", `RUN x${"\\\n".repeat(size / 2)}`],
  ["continuations with text", `RUN x${"\\\ny".repeat(size / 3)}`],
  ["blank continuations", `RUN x\\\n${"\n".repeat(size)}`],
  ["comments in a continuation", `RUN x\\\n${"#\n".repeat(size / 2)}`],
  ["heredocs", `RUN <<A\nA\n`.repeat(count)],
  ["heredocs in one line", `RUN ${"<<A ".repeat(count)}\n${"A\n".repeat(count)}`],
  ["heredocs without an end", `RUN <<A\n`.repeat(count)],
  ["one heredoc", `COPY <<-A /\n${"\tx\n".repeat(size / 3 - 10)}A\n`],
  ["<", `RUN ${"<".repeat(size)}`],
  ["<< apart from a name", `RUN ${"<< ".repeat(size / 3)}`],
  ["directives", "# syntax=x\n".repeat(size / 11)],
  ["digits", `RUN ${"1".repeat(size)}<<A`],
  ["quotes", `RUN ${"'\"".repeat(size / 2)}<<`],
  ["brackets", `CMD ${"[".repeat(size)}`],
  ["a JSON array", `CMD ["x"${',"x"'.repeat(size / 4 - 10)}]`],
  ["escapes", `ENV a=${"\\".repeat(size)}`],
  ["pairs", `ENV ${"a=b ".repeat(count)}`],
  ["flags", `RUN ${"--mount=a ".repeat(count)}`],
  ["fields of a mount", `RUN --mount=${"a=b,".repeat(size / 4 - 10)} x`],
  ["ONBUILD", "ONBUILD ".repeat(size / 8 - 10)],
  ["instructions", "RUN x\n".repeat(size / 6)],
  ["an unknown instruction", "x".repeat(size)],
  ["a stage name", `FROM a AS ${"a-".repeat(size / 2 - 10)}!`],
  ["a directive's blanks", `# escape${" ".repeat(size)}x`],
  ["dollars", `RUN ${"${".repeat(size / 2)} <<A`],
];

test.each(hostile)("%s: parsing ends", (_name, rest) => {
  const text = rest.startsWith("#") ? rest : `FROM a\n${rest}`;
  expect(parseDockerfileTolerant(text).dockerfile.text).toBe(text);
});

test("a file may be as large as the limit and not one larger", () => {
  expect(() => parseDockerfile(`FROM a\n#${"x".repeat(DOCKERFILE_LIMIT - 8)}`)).not.toThrow();
  expect(() => parseDockerfile(`FROM a\n#${"x".repeat(DOCKERFILE_LIMIT - 7)}`)).toThrow(expect.objectContaining({ code: "DOCKERFILE_TOO_LARGE" }));
});
