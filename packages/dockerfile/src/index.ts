export type {
  ArgInstruction,
  CommandForm,
  CommandInstruction,
  Directive,
  Dockerfile,
  EnvInstruction,
  ExposeInstruction,
  Flag,
  FromInstruction,
  HealthcheckInstruction,
  Heredoc,
  Instruction,
  KeyValue,
  LabelInstruction,
  MaintainerInstruction,
  OnbuildInstruction,
  RunInstruction,
  RunMount,
  ShellInstruction,
  Stage,
  StopSignalInstruction,
  TransferInstruction,
  UserInstruction,
  VolumeInstruction,
  Warning,
  Word,
  WorkdirInstruction,
} from "./ast.ts";
export { DOCKERFILE_LIMIT, parseDockerfile, parseDockerfileTolerant, parseOnbuild, type ParseOptions, type TolerantResult } from "./parser.ts";
export { checkOptionsOf, type CheckOptions, parseCheckOptions, selectWarnings } from "./check/check-options.ts";
export { findRule, type Rule, RULES } from "./check/rule.ts";
export { checkSyntax, writtenKeyword } from "./check/syntax-check.ts";
export { commentsAbove, descriptionOf } from "./comment.ts";
export { isForeignFrontend } from "./directive.ts";
export { EXPANSION_LIMIT, expandHeredoc, expandWord, expandWords, type ExpandedWord, type ExpandedWords, type ExpandOptions } from "./expansion.ts";
export { type GitReference, type GitReferenceOptions, parseGitReference } from "./git-reference.ts";
export { parseGoBoolean } from "./go-boolean.ts";
export { type HeredocWord, parseHeredocWord } from "./heredoc-word.ts";
export { compileGlob, hasWildcard } from "./glob.ts";
export type { PathAutomaton } from "./path-automaton.ts";
export { type IgnoreMatcher, type IgnoreOptions, type IgnoreRule, parseIgnore, parsePatterns } from "./ignore.ts";
export { type Edit, printDockerfile } from "./print.ts";
export { didYouMean } from "./suggestion.ts";
export { listTargets, type Target } from "./target.ts";
