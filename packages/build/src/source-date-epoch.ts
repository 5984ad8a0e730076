import { isContextURL, remoteTime } from "@varve/context";
import { type Dockerfile, expandWord, parseDockerfile, type Stage } from "@varve/dockerfile";
import { isVarveError, VarveError } from "@varve/errors";
import type { IOOptions } from "@varve/oci";
import { globalVariables } from "@varve/plan";
import type { BuildOptions } from "./build-options.ts";
import type { Definition } from "./definition.ts";
import { planOptionsOf } from "./settings.ts";
import { atSource } from "./source-error.ts";

const NAME = "SOURCE_DATE_EPOCH";

/** What finding the time needs. */
export interface EpochScope extends IOOptions {
  readonly definition: Definition;
  /** Where what is fetched is kept meanwhile. */
  readonly directory: string;
  /** Seconds; for when nothing says. */
  readonly otherwise?: number | undefined;
}

/**
 * The options with the time that stands for every time: that of the option, the build argument, the environment or a global ARG, which is a number of
 * seconds, `context`, the name of a build context or that of a stage of one remote ADD (BuildKit's dockerfile2llb/epoch.go). What has no time of its own,
 * a directory or an image, leaves none. `ARG SOURCE_DATE_EPOCH` gets the seconds. Throws BUILD_INVALID_OPTION, and CONTEXT_* when it is to be fetched.
 */
export async function settleEpoch(options: BuildOptions, scope: EpochScope): Promise<BuildOptions> {
  const { buildArgs: { [NAME]: given, ...buildArgs } = {}, sourceDateEpoch, ...rest } = options;
  const said = given ?? process.env[NAME] ?? globalArgument(options, scope.definition);
  const found = sourceDateEpoch ?? (said === undefined || said === "" ? undefined : await timeOf(said, options, scope));
  const epoch = found ?? (said === undefined || said === "" ? scope.otherwise : undefined);
  if (epoch !== undefined) return { ...rest, buildArgs: { ...buildArgs, [NAME]: String(epoch) }, sourceDateEpoch: epoch };
  // an empty one stands for a default in the file that has no time
  return { ...rest, buildArgs: said === undefined ? buildArgs : { ...buildArgs, [NAME]: "" } };
}

async function timeOf(text: string, options: BuildOptions, scope: EpochScope): Promise<number | undefined> {
  if (/^[0-9]+$/.test(text)) {
    // the last time a Date can hold
    if (Number(text) <= 8.64e12) return Number(text);
    throw invalid(text, "is more seconds than a date can have");
  }
  const named = text === "context" ? options.context : options.buildContexts?.[text];
  if (named !== undefined) return isContextURL(named) ? remoteTime(named, scope) : undefined;
  const dockerfile = parsed(scope.definition);
  const stage = dockerfile?.stages.find(({ name }) => name === text.toLowerCase());
  if (dockerfile === undefined || stage === undefined) throw invalid(text, "is no number of seconds, build context or stage");
  const { url, checksum } = remoteOf(dockerfile, stage, options);
  return remoteTime(url, { ...scope, checksum });
}

function invalid(text: string, clause: string): VarveError {
  return new VarveError("BUILD_INVALID_OPTION", `${NAME} ${JSON.stringify(text)} ${clause}`, { hint: `for example ${NAME}=$(git log -1 --format=%ct)` });
}

/** The one thing a stage fetches that is there for its time only. */
function remoteOf(dockerfile: Dockerfile, stage: Stage, options: BuildOptions): { readonly url: string; readonly checksum: string | undefined } {
  const refuse = (range: Stage["from"]["range"]): never => {
    const error = new VarveError("BUILD_INVALID_OPTION", `the stage ${stage.name ?? ""} cannot say what ${NAME} is`, {
      hint: "such a stage is FROM scratch, ARGs, and one ADD of one URL or git repository",
    });
    throw atSource(error, dockerfile, range);
  };
  const variables = new Map(globalVariables(dockerfile, planOptionsOf(options, undefined)));
  variables.delete(NAME);
  const expand = (word: string): string => expandWord(word, { escape: dockerfile.escape, lookup: (name) => variables.get(name) }).value;
  if (expand(stage.from.image.value) !== "scratch") refuse(stage.from.range);
  let source: { readonly url: string; readonly checksum: string | undefined } | undefined;
  for (const instruction of stage.instructions) {
    if (instruction.kind === "arg") {
      for (const { name, value } of instruction.args) {
        const set = options.buildArgs?.[name.value] ?? (value === undefined ? undefined : expand(value.value));
        if (set !== undefined) variables.set(name.value, set);
      }
      continue;
    }
    const [only, ...others] = instruction.kind === "add" ? instruction.sources : [];
    if (instruction.kind !== "add" || only === undefined || others.length > 0 || source !== undefined) return refuse(instruction.range);
    source = { url: expand(only.value), checksum: instruction.checksum === undefined ? undefined : expand(instruction.checksum) };
    if (!isContextURL(source.url)) return refuse(instruction.range);
  }
  return source ?? refuse(stage.from.range);
}

/** The value of a global ARG, found without reading the file anew where it isn't mentioned. */
function globalArgument(options: BuildOptions, definition: Definition): string | undefined {
  const dockerfile = definition.text.includes(NAME) ? parsed(definition) : undefined;
  return dockerfile === undefined ? undefined : globalVariables(dockerfile, planOptionsOf(options, undefined)).get(NAME);
}

/** `undefined` for a text that is no Dockerfile: planning says so. */
function parsed({ text, file }: Definition): Dockerfile | undefined {
  try {
    return parseDockerfile(text, { file });
  } catch (error) {
    if (isVarveError(error)) return undefined;
    throw error;
  }
}
