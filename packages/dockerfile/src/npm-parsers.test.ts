import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { VarveError } from "@varve/errors";
import { parse as parseLines } from "docker-file-parser";
import { DockerfileParser } from "dockerfile-ast";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CommandForm, Dockerfile, Instruction } from "./ast.ts";
import { parseDockerfile } from "./parser.ts";

// Two other parsers read the same files: keyword, lines and arguments of each instruction must agree, but for the differences that are listed here. In all of
// them BuildKit's parser is with us (frontend/dockerfile/parser: parser.go, line_parsers.go, split_command.go)

const root = fileURLToPath(new URL("../../../", import.meta.url));

/** An instruction as a peer has it; `line` its last, `first` too where the peer knows it. */
interface Seen {
  readonly keyword: string;
  readonly first?: number;
  readonly line: number;
  readonly args: readonly string[];
}

/** A way in which a peer is known to differ. */
interface Difference {
  readonly what: string;
  readonly of: (instruction: Instruction, dockerfile: Dockerfile) => boolean;
}

interface Peer {
  readonly name: string;
  readonly read: (text: string) => readonly Seen[];
  /** Differences in the lines of instructions: of the file as a whole, since what follows is then read as something else. */
  readonly lines: readonly Difference[];
  readonly args: readonly Difference[];
}

const words = (text: string): readonly string[] => text.split(/[ \t\v\f\r]+/).filter((word) => word !== "");
const inQuotes = ({ original }: Instruction): boolean => /"[^"]*\s[^"]*"|'[^']*\s[^']*'/.test(original);
const isJson = ({ original }: Instruction): boolean => /\[.*\]\s*$/s.test(original);
const isLegacy = (instruction: Instruction): boolean =>
  (instruction.kind === "env" || instruction.kind === "label") && !(words(instruction.original)[1] ?? "").includes("=");
const hasUnicodeBlank = ({ original }: Instruction): boolean => /[\u0085\u00a0\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/.test(original);
const hasDoubleDash = ({ original }: Instruction): boolean => /\s--(\s|$)/.test(original);
const givenTwice = (instruction: Instruction): boolean =>
  (instruction.kind === "env" || instruction.kind === "label") && new Set(instruction.pairs.map(({ key }) => key.value)).size < instruction.pairs.length;
const heredocs = (instruction: Instruction): boolean => instruction.heredocs.length > 0;

const AST: Peer = {
  name: "dockerfile-ast",
  read: (text) =>
    DockerfileParser.parse(text)
      .getInstructions()
      .map((instruction) => ({
        keyword: instruction.getKeyword(),
        first: instruction.getRange().start.line + 1,
        line: instruction.getRange().end.line + 1,
        args: instruction.getArguments().map((argument) => argument.getValue()),
      })),
  lines: [
    { what: "an escape that is itself escaped continues the line", of: ({ original }, { escape }) => original.trimEnd().endsWith(escape + escape) },
    { what: "the escape directive is read in lower case only", of: (_, { directives }) => directives.some(({ name }) => name === "escape") },
    { what: "several heredocs in a line, and names quoted in part, are not all found", of: heredocs },
  ],
  args: [
    { what: "the body of a heredoc is among the arguments", of: heredocs },
    { what: "blanks in quotes split", of: inQuotes },
    { what: "JSON is not decoded", of: isJson },
    { what: "escapes are taken off", of: ({ original }, { escape }) => original.includes(escape) },
    { what: "the old form of ENV and LABEL is words", of: isLegacy },
    { what: "-- does not end the flags", of: hasDoubleDash },
    { what: "the flags of ARG are arguments", of: ({ kind, flags }) => kind === "arg" && flags.length > 0 },
    { what: "blanks outside ASCII don't split", of: hasUnicodeBlank },
    { what: "CMD and NONE keep their case", of: ({ kind }) => kind === "healthcheck" },
  ],
};

const LINES: Peer = {
  name: "docker-file-parser",
  read: (text) => parseLines(text, { includeComments: false }).map(({ name, lineno, args }) => ({ keyword: name, line: lineno, args: flatten(args) })),
  lines: [
    { what: "there are no heredocs", of: heredocs },
    { what: "there is no escape directive", of: (_, { escape }) => escape === "`" },
    { what: "an escape that is itself escaped continues the line", of: ({ original }, { escape }) => original.trimEnd().endsWith(escape + escape) },
    { what: "a last line that is continued is dropped", of: (_, { text, escape }) => text.trimEnd().endsWith(escape) },
    {
      what: "blank lines end a continuation, comments in one are commands",
      of: (_, { warnings, text }) => warnings.some(({ rule }) => rule === "NoEmptyContinuation") || /\\\s*\n\s*#/.test(text),
    },
  ],
  args: [
    { what: "flags are arguments", of: ({ flags }) => flags.length > 0 },
    { what: "-- does not end the flags", of: hasDoubleDash },
    { what: "SHELL and HEALTHCHECK are texts", of: ({ kind }) => kind === "shell" || kind === "healthcheck" },
    { what: "ONBUILD is an object", of: ({ kind }) => kind === "onbuild" },
    { what: "JSON with escapes or blanks at an end stays as it is", of: isJson },
    { what: "a name that is given twice is kept once", of: givenTwice },
  ],
};

/** What docker-file-parser gives as a text, a list or an object, as words. */
function flatten(args: unknown): readonly string[] {
  if (typeof args === "string") return words(args);
  if (Array.isArray(args)) return args.flatMap((arg) => (typeof arg === "string" ? words(arg) : [JSON.stringify(arg)]));
  return Object.entries((args ?? {}) as Record<string, unknown>).flatMap(([key, value]) => words(`${key}=${String(value)}`));
}

function commandWords(command: CommandForm): readonly string[] {
  return command.form === "shell" ? words(command.text) : command.args.flatMap(words);
}

/** An instruction's arguments as words, without flags. */
function argumentsOf(instruction: Instruction): readonly string[] {
  switch (instruction.kind) {
    case "from":
      return instruction.alias === undefined ? [instruction.image.value] : [instruction.image.value, "AS", instruction.alias.value];
    case "run":
    case "cmd":
    case "entrypoint":
      return commandWords(instruction.command);
    case "copy":
    case "add":
      return [...instruction.sources, instruction.destination].flatMap(({ value }) => words(value));
    case "env":
    case "label":
      return instruction.pairs.flatMap(({ key, value }) => words(`${key.value}=${value.value}`));
    case "arg":
      return instruction.args.flatMap(({ name, value }) => words(value === undefined ? name.value : `${name.value}=${value.value}`));
    case "workdir":
      return words(instruction.path.value);
    case "user":
      return words(instruction.user.value);
    case "expose":
      return instruction.ports.map(({ value }) => value);
    case "volume":
      return instruction.volumes.flatMap(({ value }) => words(value));
    case "shell":
      return instruction.shell.flatMap(words);
    case "stopsignal":
      return words(instruction.signal.value);
    case "maintainer":
      return words(instruction.maintainer);
    case "healthcheck":
      return instruction.test === undefined ? ["NONE"] : ["CMD", ...commandWords(instruction.test)];
    case "onbuild":
      return words(instruction.trigger);
  }
}

/** The order of EXPOSE and the case of AS say nothing. */
function comparable({ kind }: Instruction, args: readonly string[]): string {
  const sorted = kind === "expose" ? args.toSorted() : args;
  return JSON.stringify(kind === "from" ? sorted.map((word) => (/^as$/i.test(word) ? "AS" : word)) : sorted);
}

function files(folder: string): readonly string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((path) => /(^|[/.])Dockerfile$/.test(path) && !path.includes("node_modules"))
    .map((path) => readFileSync(join(folder, path), "utf8"));
}

const pick = (...choices: readonly string[]): fc.Arbitrary<string> => fc.constantFrom(...choices);
const word = pick("a", "b.c", "/x/y", "-z", "é", "a=b", "$V", "${V:-w}", "x:1@sha256", "--q", "&&", "#no");
const gap = pick(" ", "  ", "\t", " \\\n", " \\\n   ", " \\\n# a remark\n  ", " \\ \n");
const args = fc.array(fc.tuple(gap, word), { minLength: 1, maxLength: 5 }).map((parts) => parts.flat().join(""));
const path = pick("a", "./b/", "c*.txt", "/d/e", "$V/f");
const line = fc.oneof(
  args.map((rest) => `RUN x${rest}`),
  args.map((rest) => `cmd x${rest}`),
  args.map((rest) => `Entrypoint x${rest}`),
  fc.array(path, { minLength: 2, maxLength: 4 }).chain((paths) => gap.map((between) => `COPY ${paths.join(between)}`)),
  fc.tuple(path, path).map(([a, b]) => `ADD --chown=1:2 ${a} ${b}`),
  fc
    .array(fc.tuple(pick("A", "b_c", "D1"), pick("1", "x", "$A", "/p:$PATH", "")), { minLength: 1, maxLength: 3 })
    .map((pairs) => `ENV ${pairs.map((pair) => pair.join("=")).join(" ")}`),
  pick(
    "LABEL a.b=c",
    "ARG V",
    "ARG V=1 W=2",
    "WORKDIR /a/b",
    "USER a:b",
    "EXPOSE 80 443/tcp 53/udp",
    "VOLUME /a /b",
    "STOPSIGNAL 9",
    "MAINTAINER me",
    'CMD ["a","b"]',
  ),
  pick("", "# a remark", "  # another", "\t"),
);
const generated = fc.array(line, { maxLength: 12 }).map((lines) => `# syntax=docker/dockerfile:1\nFROM base:1 AS one\n${lines.join("\n")}\nFROM scratch\n`);

const corpus = [
  ...fc.sample(generated, { numRuns: 400, seed: 20_261_121 }),
  ...files(join(root, "fixtures")),
  ...files(join(root, "examples")),
  ...files(join(root, "../shared/buildkit-cases")),
].flatMap((text): readonly Dockerfile[] => {
  try {
    return [parseDockerfile(text)];
  } catch (error) {
    if (error instanceof VarveError) return [];
    throw error;
  }
});

describe.each([AST, LINES])("$name", ({ read, lines, args: known }) => {
  const unexplained: string[] = [];
  const used = new Set<string>();
  let compared = 0;
  const tell = (
    differences: readonly Difference[],
    where: { readonly dockerfile: Dockerfile; readonly among: readonly Instruction[] },
    message: string,
  ): void => {
    const found = differences.find(({ of }) => where.among.some((instruction) => of(instruction, where.dockerfile)));
    if (found === undefined) unexplained.push(`${message}\n${where.dockerfile.text}`);
    else used.add(found.what);
  };
  for (const dockerfile of corpus) {
    const own = [...dockerfile.globalArgs, ...dockerfile.stages.flatMap(({ from, instructions }) => [from, ...instructions])].toSorted(
      (a, b) => a.range.start.offset - b.range.start.offset,
    );
    const theirs = read(dockerfile.text);
    const same = own.every(({ keyword, range }, i) => {
      const other = theirs[i];
      return other?.keyword === keyword && other.line === range.end.line && (other.first ?? range.start.line) === range.start.line;
    });
    if (!same || own.length !== theirs.length) {
      tell(lines, { dockerfile, among: own }, `lines: ${JSON.stringify(theirs.map(({ keyword, line: last }) => [keyword, last]))}`);
      continue;
    }
    for (const [i, instruction] of own.entries()) {
      compared++;
      const [ours, other] = [comparable(instruction, argumentsOf(instruction)), comparable(instruction, theirs[i]?.args ?? [])];
      if (ours !== other) tell(known, { dockerfile, among: [instruction] }, `${instruction.keyword}: ${ours} and ${other}`);
    }
  }

  test("agrees but for what is known", () => {
    expect(unexplained).toEqual([]);
    expect(compared).toBeGreaterThan(2000);
  });
  test.each([...lines, ...known].map(({ what }) => what))("differs: %s", (what) => {
    expect(used.has(what)).toBe(true);
  });
});
