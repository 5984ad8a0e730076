import { VarveError } from "@varve/errors";
import type { Dockerfile, Instruction, Warning } from "../ast.ts";
import { commentsAbove } from "../comment.ts";
import { findDirective } from "../directive.ts";
import { createLineMap, lastAtMost } from "../line-map.ts";
import { sourceError } from "../syntax-error.ts";
import { findRule } from "./rule.ts";
import { parseGoBoolean } from "../go-boolean.ts";

/** What `# check=…` asks for. */
export interface CheckOptions {
  /** Rules that don't run; experimental ones are not among them, as in BuildKit. */
  readonly skip: "all" | readonly string[];
  /** Experimental rules that do run. */
  readonly experimental: "all" | readonly string[];
  /** Whether a warning fails the build. */
  readonly error: boolean;
}

/** A comment that is a check directive for what stands below it. */
export const CHECK: RegExp = /^check\s*=\s*(\S.*)$/i;

/** Reads `skip=A,B;experimental=C;error=true`, each part optional. Throws DOCKERFILE_DIRECTIVE. */
export function parseCheckOptions(text: string): CheckOptions {
  let options: CheckOptions = { skip: [], experimental: [], error: false };
  for (const part of text.trim() === "" ? [] : text.split(";")) {
    const equals = part.indexOf("=");
    const key = part.slice(0, Math.max(0, equals)).trim();
    const value = part.slice(equals + 1).trim();
    const flag = parseGoBoolean(value);
    if (equals >= 0 && (key === "skip" || key === "experimental")) options = { ...options, [key]: ruleList(value) };
    else if (equals >= 0 && key === "error" && flag !== undefined) options = { ...options, error: flag };
    else
      throw new VarveError("DOCKERFILE_DIRECTIVE", `invalid check option ${JSON.stringify(part.trim())}`, {
        hint: "write check=skip=RuleName,OtherRule;error=true",
      });
  }
  return options;
}

function ruleList(value: string): "all" | readonly string[] {
  return value === "all" ? "all" : value.split(",").map((name) => name.trim());
}

/**
 * The check options of a file. `given`, the build argument `BUILDKIT_DOCKERFILE_CHECK`, stands in for the directive.
 * Throws DOCKERFILE_DIRECTIVE at the directive.
 */
export function checkOptionsOf(dockerfile: Dockerfile, given?: string): CheckOptions {
  const directive = findDirective(dockerfile.text, "check");
  if (given !== undefined || directive === undefined) return parseCheckOptions(given ?? "");
  try {
    return parseCheckOptions(firstWord(directive.value));
  } catch (cause) {
    if (!(cause instanceof VarveError)) throw cause;
    const lines = createLineMap(dockerfile.text);
    const range = lines.range(directive.start, directive.end);
    throw sourceError({ file: dockerfile.file, lines }, cause.code, cause.message, { range, hint: cause.hint, cause });
  }
}

/** As BuildKit: what follows a blank is a remark. */
function firstWord(value: string): string {
  return value.split(" ", 1)[0] ?? "";
}

/**
 * The warnings that the file lets through: by its options (`given` as in {@link checkOptionsOf}) and by comments `# check=…` right above an instruction, which
 * count for that one. Names that are no rule of BuildKit's go by `skip`.
 */
export function selectWarnings(dockerfile: Dockerfile, warnings: readonly Warning[], given?: string): readonly Warning[] {
  const options = checkOptionsOf(dockerfile, given);
  const optionsAt = inlineOptionsByLine(dockerfile);
  return warnings.filter(({ rule, range }) => {
    const all = [options, ...optionsAt(range.start.line)];
    const named = (part: "skip" | "experimental"): boolean => all.some((each) => each[part] === "all" || each[part].includes(rule));
    return findRule(rule)?.experimental === true ? named("experimental") : !named("skip");
  });
}

/** What comments above the instruction on a line ask for; a file may have as many warnings as lines, so each look is a short one. */
function inlineOptionsByLine(dockerfile: Dockerfile): (line: number) => readonly CheckOptions[] {
  const instructions = [...dockerfile.globalArgs, ...dockerfile.stages.flatMap((stage) => [stage.from, ...stage.instructions])];
  const starts = instructions.map(({ range }) => range.start.line);
  const known = new Map<Instruction, readonly CheckOptions[]>();
  return (line) => {
    const instruction = instructions[lastAtMost(starts, line)];
    if (instruction === undefined || line < instruction.range.start.line || line > instruction.range.end.line) return [];
    const found = known.get(instruction) ?? inlineOptions(dockerfile, instruction);
    known.set(instruction, found);
    return found;
  };
}

/** A comment that isn't understood is a comment. */
function inlineOptions(dockerfile: Dockerfile, instruction: Instruction): readonly CheckOptions[] {
  return commentsAbove(dockerfile, instruction).flatMap((comment) => {
    const value = CHECK.exec(comment)?.[1];
    if (value === undefined) return [];
    try {
      return parseCheckOptions(firstWord(value));
    } catch (error) {
      if (error instanceof VarveError) return [];
      throw error;
    }
  });
}
