import { expect, test } from "vitest";
import { createLineMap } from "./line-map.ts";
import { createLineScanner, type LineScanner } from "./line-scanner.ts";
import { sourceOffset } from "./logical-line.ts";

function scanner(text: string): LineScanner {
  return createLineScanner({ file: "Dockerfile", lines: createLineMap(text) }, (error) => {
    throw error;
  });
}

function lines(text: string): string[] {
  const scan = scanner(text);
  const found: string[] = [];
  for (let line = scan.next(); line !== undefined; line = scan.next()) found.push(line.text);
  return found;
}

test.each<[string, string[]]>([
  ["", []],
  ["\n\n", []],
  ["a", ["a"]],
  ["a\n", ["a"]],
  ["a\r\nb\r\r\n", ["a", "b"]],
  ["  a b  \n", ["a b  "]],
  ["# c\na\n  # d\nb", ["a", "b"]],
  ["a # b", ["a # b"]],
  ["a \\\nb", ["a b"]],
  ["a\\\n  b", ["a  b"]],
  ["a\\  \t\nb", ["ab"]],
  ["a\\\\\nb", ["a\\\\", "b"]],
  ["a\\\\\\\nb", ["a\\\\\\", "b"]],
  ["a\\ b\nc", ["a\\ b", "c"]],
  ["a\\\n\n\n b", ["a b"]],
  ["a\\\n# c\n  # d\nb", ["ab"]],
  ["a\\\n# c\\\nb", ["ab"]],
  ["a\\\n  \\\nb", ["a  b"]],
  ["\\\na", ["a"]],
  ["\\\n", [""]],
  ["a\\", ["a"]],
  ["a\\\n\n", ["a"]],
  ["\u00a0a", ["a"]],
  ["\ufeffa", ["a"]],
  ["# escape=`\na`\nb\\\nc", ["ab\\", "c"]],
  ["#escape = ` \na`\nb", ["ab"]],
  ["\n# escape=`\na`\nb", ["a`", "b"]],
  ["# other\n# escape=`\na`\nb", ["a`", "b"]],
  ["# unknown=x\n# escape=`\na`\nb", ["a`", "b"]],
  ["a\\\n# escape=`\nb`\nc", ["ab`", "c"]],
])("%j has the lines %j", (text, expected) => {
  expect(lines(text)).toEqual(expected);
});

test("every character of a joined line is found in the source", () => {
  const text = "\ufeffRUN a \\\n# c\n\n  b\\\r\n\tc \\\nd";
  const line = scanner(text).next();
  expect(line?.text).toBe("RUN a   b\tc d");
  for (let i = 0; i < (line?.text.length ?? 0); i++) expect(text[sourceOffset(line!, i)]).toBe(line!.text[i]);
});

test.each<[string, string, boolean, string | undefined]>([
  ["x\nEOF\n", "EOF", false, "x\n"],
  ["EOF", "EOF", false, ""],
  ["x\r\nEOF\r\n", "EOF", false, "x\r\n"],
  ["\tx\n\tEOF\nEOF\n", "EOF", false, "\tx\n\tEOF\n"],
  ["\tx\n\tEOF\nEOF\n", "EOF", true, "\tx\n"],
  [" EOF\nEOF \nEOF", "EOF", true, " EOF\nEOF \n"],
  ["x\n", "EOF", false, undefined],
  ["a b\nE F\n", "E F", false, "a b\n"],
])("the heredoc body of %j up to %j", (text, name, chomp, expected) => {
  expect(scanner(text).heredoc(name, chomp)?.content).toBe(expected);
});
