import { readJsonArray } from "./json-array.ts";
import { type LogicalLine, lineRange, sliceToken, type Token } from "./logical-line.ts";
import type { InstructionNode, NodeArguments, PairTokens } from "./node.ts";
import { splitFlags } from "./flag-splitter.ts";
import { sourceError, type Source } from "./syntax-error.ts";
import { trimmedEnd } from "./white-space.ts";
import { firstBlank, splitAtBlanks, splitShellWords } from "./word-splitter.ts";

/** What parsing a line's parts needs beside the line. */
export interface NodeContext {
  readonly source: Source;
  readonly escape: string;
}

/** A stretch of the line that is being parsed. */
interface Rest {
  readonly line: LogicalLine;
  readonly start: number;
  readonly end: number;
}

type ArgumentParser = (rest: Rest, context: NodeContext, keyword: string) => NodeArguments;

const GRAMMAR: Readonly<Record<string, ArgumentParser>> = {
  ADD: jsonOrWords,
  ARG: (rest, { escape }) => wordsArguments(splitShellWords(rest.line, rest.start, { end: rest.end, escape })),
  CMD: jsonOrText,
  COPY: jsonOrWords,
  ENTRYPOINT: jsonOrText,
  ENV: pairs,
  EXPOSE: words,
  FROM: words,
  HEALTHCHECK: health,
  LABEL: pairs,
  MAINTAINER: text,
  ONBUILD: onbuild,
  RUN: jsonOrText,
  SHELL: jsonOrText,
  STOPSIGNAL: text,
  USER: text,
  VOLUME: jsonOrWords,
  WORKDIR: text,
};

/** Every instruction, in upper case. */
export const KEYWORDS: readonly string[] = Object.keys(GRAMMAR);

/**
 * Splits a line into keyword, flags and arguments. Unknown keywords give a node without arguments. Throws
 * DOCKERFILE_SYNTAX for arguments that cannot be split.
 */
export function parseNode(line: LogicalLine, context: NodeContext, start = 0): InstructionNode {
  const end = trimmedEnd(line.text, start);
  const { wordEnd, next } = firstBlank(line, start, end);
  const word = line.text.slice(start, wordEnd);
  const keyword: Token = { value: /^[A-Za-z]+$/.test(word) ? word.toUpperCase() : word, start, end: wordEnd };
  const { flags, rest } = splitFlags(line, next, { end, escape: context.escape });
  const grammar = Object.hasOwn(GRAMMAR, keyword.value) ? GRAMMAR[keyword.value] : undefined;
  const args: NodeArguments = grammar === undefined || rest === end ? { kind: "none" } : grammar({ line, start: rest, end }, context, keyword.value);
  return { line, keyword, flags, args, end };
}

function text({ line, start, end }: Rest): NodeArguments {
  return { kind: "text", text: sliceToken(line, start, end) };
}

function words({ line, start, end }: Rest): NodeArguments {
  return wordsArguments(splitAtBlanks(line, start, end));
}

function wordsArguments(tokens: readonly Token[]): NodeArguments {
  return tokens.length === 0 ? { kind: "none" } : { kind: "words", words: tokens };
}

function jsonOrText(rest: Rest, context: NodeContext): NodeArguments {
  return json(rest, context) ?? text(rest);
}

function jsonOrWords(rest: Rest, context: NodeContext): NodeArguments {
  return json(rest, context) ?? words(rest);
}

function json({ line, start, end }: Rest, { source }: NodeContext): NodeArguments | undefined {
  const array = readJsonArray(line, start, end);
  if (array.kind === "strings") return { kind: "json", items: array.items };
  if (array.kind === "none") return undefined;
  throw sourceError(source, "DOCKERFILE_SYNTAX", "a JSON array of arguments holds something that is no string", {
    range: lineRange(source.lines, line, { start, end }),
    hint: "put every element in double quotes",
  });
}

function pairs(rest: Rest, { source, escape }: NodeContext, keyword: string): NodeArguments {
  const { line, start, end } = rest;
  const found = splitShellWords(line, start, { end, escape });
  const first = found[0];
  if (first === undefined) return { kind: "none" };
  if (!first.value.includes("=")) return legacyPair(rest, source, keyword);
  return {
    kind: "pairs",
    legacy: false,
    pairs: found.map((word) => {
      const equals = word.value.indexOf("=");
      if (equals !== -1) return splitPair(word, equals);
      throw sourceError(source, "DOCKERFILE_SYNTAX", `${keyword} has ${JSON.stringify(word.value)} without =`, {
        range: lineRange(source.lines, line, word),
        hint: "every pair is name=value; quote values that have blanks",
      });
    }),
  };
}

/** Everything after the first blank is the value. */
function legacyPair({ line, start, end }: Rest, source: Source, keyword: string): NodeArguments {
  const { wordEnd, next } = firstBlank(line, start, end);
  if (next < end) return { kind: "pairs", legacy: true, pairs: [{ key: sliceToken(line, start, wordEnd), value: sliceToken(line, next, end) }] };
  throw sourceError(source, "DOCKERFILE_SYNTAX", `${keyword} ${line.text.slice(start, wordEnd)} has no value`, {
    range: lineRange(source.lines, line, { start, end }),
    hint: `write ${keyword} name=value`,
  });
}

/** Splits `name=value` at its first `=`. */
export function splitPair(word: Token, equals: number): PairTokens {
  return {
    key: { value: word.value.slice(0, equals), start: word.start, end: word.start + equals },
    value: { value: word.value.slice(equals + 1), start: word.start + equals + 1, end: word.end },
  };
}

function health(rest: Rest, context: NodeContext): NodeArguments {
  const { line, start, end } = rest;
  const { wordEnd, next } = firstBlank(line, start, end);
  return { kind: "health", type: sliceToken(line, start, wordEnd), command: next === end ? { kind: "none" } : jsonOrText({ line, start: next, end }, context) };
}

function onbuild({ line, start }: Rest, context: NodeContext): NodeArguments {
  // chained triggers are refused later; parsing them here would recurse as deep as the line is long
  if (/^onbuild(?![^\t\v\f\r ])/i.test(line.text.slice(start, start + 8)))
    return {
      kind: "onbuild",
      child: { line, keyword: { value: "ONBUILD", start, end: start + 7 }, flags: [], args: { kind: "none" }, end: trimmedEnd(line.text, start) },
    };
  return { kind: "onbuild", child: parseNode(line, context, start) };
}
