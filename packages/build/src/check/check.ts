import { join } from "node:path";
import { checkSyntax, type Dockerfile, parseDockerfileTolerant, selectWarnings, type Warning } from "@varve/dockerfile";
import { isVarveError, type VarveError } from "@varve/errors";
import { CHECK_ARG, checkBuild, type PlanOptions, refuseWarnings, requiredBases, type ResolvedBase } from "@varve/plan";
import type { BuildOptions } from "../build-options.ts";
import { type Definition, openDefinition } from "../definition.ts";
import { type PlanningScope, resolveBases } from "../planning.ts";
import { homeOf, planOptionsOf, platformsOf } from "../settings.ts";
import { ignoresOf } from "./ignored-paths.ts";

/** What the checks found. */
export interface CheckResult {
  /** The name the Dockerfile is shown by. */
  readonly file: string;
  /** Its text, for excerpts. */
  readonly text: string;
  /** In the order of the text, equal ones once. */
  readonly warnings: readonly Warning[];
  /** What would stop the build; what follows it isn't checked. */
  readonly error?: VarveError;
  /** Where the text itself is wrong: what else is wrong with it. */
  readonly further: readonly VarveError[];
  /** Rules that were not, or not everywhere, looked at, because the configs of base images aren't known. */
  readonly unchecked: readonly string[];
}

/** Checks a definition, with the configs of its bases. Without a target every stage is checked. */
export async function checkDefinition(definition: Definition, options: BuildOptions, scope: PlanningScope): Promise<CheckResult> {
  return checkWith(definition, options, (dockerfile, planOptions) => resolveBases(dockerfile, planOptions, scope));
}

/** Checks the Dockerfile of a directory without asking any registry. */
export async function checkOffline(options: BuildOptions): Promise<CheckResult> {
  const home = homeOf(options);
  const io = options.signal === undefined ? {} : { signal: options.signal };
  const definition = await openDefinition(options, { spool: join(home, "spool"), contexts: join(home, "contexts"), store: home }, io);
  await using _context = definition.context;
  return await checkWith(definition, options, async (dockerfile, planOptions) => standIns(dockerfile, planOptions));
}

async function checkWith(
  definition: Definition,
  options: BuildOptions,
  basesOf: (dockerfile: Dockerfile, planOptions: PlanOptions) => Promise<Readonly<Record<string, ResolvedBase>>>,
): Promise<CheckResult> {
  const { text, file } = definition;
  const { dockerfile, errors } = parseDockerfileTolerant(text, { file });
  const given = options.buildArgs?.[CHECK_ARG];
  const [error] = errors;
  if (error !== undefined) return { file, text, warnings: warningsBefore(dockerfile, error, given), error, further: errors.slice(1), unchecked: [] };
  const ignores = await ignoresOf(definition, options);
  const found = new Map<string, Warning>();
  const unchecked = new Set<string>();
  const result = (): CheckResult => ({ file, text, warnings: [...found.values()], further: [], unchecked: [...unchecked] });
  for (const platform of platformsOf(options)) {
    const planOptions: PlanOptions = { ...planOptionsOf(options, platform), ...ignores, allStages: (options.target ?? "") === "" };
    const bases = await basesFor(dockerfile, planOptions, basesOf);
    if (Object.values(bases).some(({ unknown }) => unknown === true)) for (const rule of NEED_BASES) unchecked.add(rule);
    const checked = checkBuild(dockerfile, planOptions, bases);
    for (const warning of checked.warnings) found.set(JSON.stringify(warning), warning);
    if (checked.error !== undefined) return { ...result(), error: checked.error };
  }
  try {
    refuseWarnings(dockerfile, { buildArgs: options.buildArgs ?? {} }, [...found.values()]);
    return result();
  } catch (refusal) {
    if (!isVarveError(refusal)) throw refusal;
    return { ...result(), error: refusal };
  }
}

/** Rules that look at what a base image's config says. */
const NEED_BASES = ["InvalidBaseImagePlatform", "UndefinedVar"];
/** Rules that BuildKit applies while it parses; the others come after. */
const WHILE_PARSING = new Set(["NoEmptyContinuation", "StageNameCasing", "FromAsCasing", "MaintainerDeprecated", "InvalidDefinitionDescription"]);

/** What is said of a file that can't be parsed: of the lines above the first error. */
function warningsBefore(dockerfile: Dockerfile, error: VarveError, given: string | undefined): readonly Warning[] {
  const end = error.source?.range.start.line ?? 0;
  const found = checkSyntax(dockerfile).filter(({ rule, range }) => WHILE_PARSING.has(rule) && range.start.line < end);
  return error.code === "DOCKERFILE_DIRECTIVE" ? [] : selectWarnings(dockerfile, found, given);
}

/** A file whose stages make no graph needs no base; `checkBuild` says what is wrong with it. */
async function basesFor(
  dockerfile: Dockerfile,
  planOptions: PlanOptions,
  resolve: (dockerfile: Dockerfile, planOptions: PlanOptions) => Promise<Readonly<Record<string, ResolvedBase>>>,
): Promise<Readonly<Record<string, ResolvedBase>>> {
  if (checkBuild(dockerfile, planOptions, {}).error?.code !== "PLAN_BASE_MISSING") return {};
  return resolve(dockerfile, planOptions);
}

function standIns(dockerfile: Dockerfile, planOptions: PlanOptions): Readonly<Record<string, ResolvedBase>> {
  const bases = requiredBases(dockerfile, planOptions);
  return Object.fromEntries(
    bases.map(({ key, platform }) => [key, { config: { ...platform, rootfs: { type: "layers" as const, diff_ids: [] } }, digest: "", unknown: true }]),
  );
}
