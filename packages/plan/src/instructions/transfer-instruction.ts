import { expandHeredoc, type Heredoc, parseHeredocWord, type TransferInstruction, type Word } from "@varve/dockerfile";
import { isFileMode } from "../file-mode.ts";
import { expandIn, type InstructionScope, placeOf, spent, workdirOf } from "../instruction-scope.ts";
import type { TransferSource, TransferVertex, VertexID } from "../plan.ts";
import { excerptOf, located, type Place, planError } from "../plan-error.ts";
import { type RemoteSource, remoteSource } from "../remote-source.ts";
import type { StageNode } from "../stage-node.ts";
import { addHistory, addLayer } from "../stage-state.ts";
import { instructionText } from "../step-title.ts";
import { resolveUnixPath, transferDestination } from "../unix-path.ts";

/** COPY and ADD. `source` is what `--from` names. */
export function planTransfer(scope: InstructionScope, instruction: TransferInstruction, source: StageNode | undefined): void {
  const { state, naming, titles, vertices } = scope;
  const title = spent(scope, undefined, instructionText(instruction, naming.dockerfile.escape, state));
  const chown = flagValue(scope, instruction, "chown");
  const chmod = flagValue(scope, instruction, "chmod");
  const checksum = flagValue(scope, instruction, "checksum");
  const words = sourceWords(instruction);
  const paths = words.paths.map((word) => ({ word, text: expandIn(scope, word) }));
  const destination = expandIn(scope, instruction.destination);
  if (chmod !== undefined && !isFileMode(chmod)) {
    throw planError("PLAN_INVALID_INSTRUCTION", `invalid --chmod ${JSON.stringify(chmod)}`, flagPlace(scope, instruction, "chmod"), {
      hint: "write an octal number between 0 and 07777, or symbols such as u=rwX,go=rX",
    });
  }
  const sources = [
    ...paths.map(({ word, text }) => pathSource(scope, instruction, { word, text, checksum })),
    ...words.heredocs.map((heredoc) => inlineSource(scope, heredoc)),
  ];
  checkChecksum(scope, instruction, { checksum, sources });
  const vertex: TransferVertex = {
    id: scope.nextID(),
    kind: instruction.kind,
    title: titles.next(title, state),
    range: scope.range,
    parent: state.tip,
    from: sourceTree(scope, instruction, { source, sources }),
    keepOwner: source !== undefined && source.origin.kind !== "context",
    sources,
    destination: transferDestination(workdirOf(scope), destination),
    ...(chown === undefined ? {} : { chown }),
    ...(chmod === undefined ? {} : { chmod }),
    link: instruction.link,
    parents: instruction.parents,
    exclude: instruction.exclude,
    ...(instruction.unpack === undefined ? {} : { unpack: instruction.unpack }),
    ...(checksum === undefined ? {} : { checksum }),
  };
  vertices.add(vertex);
  addLayer(state, vertex.id);
  const flags = [instruction.parents ? "--parents" : [], chown === undefined ? [] : `--chown=${chown}`, chmod === undefined ? [] : `--chmod=${chmod}`].flat();
  const shown = [...flags, ...paths.map(({ text }) => text), ...words.heredocs.map(({ name }) => `<<${name}`), destination];
  addHistory(state, `${instruction.kind.toUpperCase()} ${shown.join(" ")} # buildkit`, vertex.id);
}

/** A source that reads as a heredoc word. */
type InlineWord = Pick<Heredoc, "name" | "content" | "expand" | "range">;

/**
 * Paths in order, then heredocs in order: as BuildKit copies them. A heredoc's body is found by its name, the last of that name; a word that
 * opened none (in the JSON form, or a line whose quotes don't close) is an empty file.
 */
function sourceWords(instruction: TransferInstruction): { readonly paths: readonly Word[]; readonly heredocs: readonly InlineWord[] } {
  const bodies = new Map(instruction.heredocs.map((heredoc) => [heredoc.name, heredoc]));
  const paths: Word[] = [];
  const heredocs: InlineWord[] = [];
  for (const word of instruction.sources) {
    const opened = parseHeredocWord(word.value);
    if (opened === undefined) paths.push(word);
    else {
      const { content, range } = bodies.get(opened.name) ?? { content: "", range: word.range };
      heredocs.push({ name: opened.name, expand: opened.expand, content, range });
    }
  }
  return { paths, heredocs };
}

function sourceTree(
  scope: InstructionScope,
  instruction: TransferInstruction,
  { source, sources }: { readonly source: StageNode | undefined; readonly sources: readonly TransferSource[] },
): VertexID {
  if (source !== undefined) return scope.sourceVertex(source, flagPlace(scope, instruction, "from"));
  // nothing is read from the context then, so it need not be there
  return sources.some(({ kind }) => kind === "path") ? scope.vertices.context("") : scope.vertices.scratch();
}

function pathSource(
  scope: InstructionScope,
  instruction: TransferInstruction,
  { word, text, checksum }: { readonly word: Word; readonly text: string; readonly checksum: string | undefined },
): TransferSource {
  const place = placeOf(scope, word.range);
  const remote = remoteOf(text, instruction, place);
  if (remote === undefined) return { kind: "path", pattern: text, ...(scope.trigger === undefined ? { range: word.range } : {}) };
  if (instruction.kind === "copy") {
    throw planError("PLAN_INVALID_INSTRUCTION", `COPY cannot fetch ${remote.kind === "git" ? "the git repository" : "the URL"} ${text}`, place, {
      hint: "use ADD",
    });
  }
  if (remote.kind === "http") return { kind: "http", url: text, ...(checksum === undefined ? {} : { checksum }) };
  const { reference } = remote;
  requireAgreement("--keep-git-dir", [instruction.keepGitDir, reference.keepGitDir], place);
  requireAgreement("--checksum", [checksum, reference.checksum], place);
  const expected = checksum ?? reference.checksum;
  const keepGitDir = instruction.keepGitDir ?? reference.keepGitDir ?? false;
  return { kind: "git", url: text, keepGitDir, ...(expected === undefined ? {} : { checksum: expected }) };
}

/** What is fetched for a source. `--keep-git-dir` says that it is a repository. */
function remoteOf(text: string, { keepGitDir }: TransferInstruction, place: Place): RemoteSource | undefined {
  try {
    return remoteSource(text, { known: keepGitDir !== undefined });
  } catch (error) {
    throw located(error, place);
  }
}

/** A flag and what the query of a git URL says of the same. */
function requireAgreement(flag: string, [given, inURL]: readonly [string | boolean | undefined, string | boolean | undefined], place: Place): void {
  if (given === undefined || inURL === undefined || given === inURL) return;
  throw planError("PLAN_INVALID_INSTRUCTION", `${flag}=${String(given)} is at odds with ${String(inURL)} in the URL`, place, { hint: "say it once" });
}

function inlineSource(scope: InstructionScope, { name, content, expand, range }: InlineWord): TransferSource {
  // it is made in an empty directory, then copied
  if (!/^\/[^/]+$/.test(resolveUnixPath("/", name))) {
    throw planError("DOCKERFILE_HEREDOC", `a heredoc cannot be the file ${name}`, placeOf(scope, undefined), {
      hint: "its name is that of a file without directories; the last argument says where it goes",
    });
  }
  if (!expand) return { kind: "inline", name, content };
  const { variables } = scope.state;
  return {
    kind: "inline",
    name,
    content: spent(scope, range, expandHeredoc(content, { lookup: (variable) => variables.get(variable), source: excerptOf(placeOf(scope, range)) }).value),
  };
}

function checkChecksum(
  scope: InstructionScope,
  instruction: TransferInstruction,
  given: { readonly checksum: string | undefined; readonly sources: readonly TransferSource[] },
): void {
  if (given.checksum === undefined) return;
  const fail = (message: string): never => {
    throw planError("PLAN_INVALID_INSTRUCTION", message, flagPlace(scope, instruction, "checksum"), {
      hint: "write ADD --checksum=sha256:DIGEST and one URL, or a git source and its commit",
    });
  };
  const paths = given.sources.filter(({ kind }) => kind !== "inline");
  const [only] = paths;
  if (only === undefined || paths.length !== 1) return fail("--checksum needs exactly one source");
  if (only.kind === "path") return fail("--checksum needs an http(s) or git source");
  if (only.kind === "http" && !/^sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})$/.test(given.checksum))
    fail(`--checksum ${given.checksum} is not a digest such as sha256:…`);
}

/** A flag's value, expanded; an empty one is as none. */
function flagValue(scope: InstructionScope, instruction: TransferInstruction, name: "chown" | "chmod" | "checksum"): string | undefined {
  const value = instruction[name];
  if (value === undefined) return undefined;
  const expanded = expandIn(scope, { value, range: flagRange(instruction, name) });
  return expanded === "" ? undefined : expanded;
}

function flagRange(instruction: TransferInstruction, name: string): Word["range"] | undefined {
  return instruction.flags.find((flag) => flag.name === name)?.range;
}

function flagPlace(scope: InstructionScope, instruction: TransferInstruction, name: string): Place {
  return placeOf(scope, flagRange(instruction, name));
}
