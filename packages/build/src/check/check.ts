import { join } from "node:path";
import { type Dockerfile, parseDockerfile, type Warning } from "@varve/dockerfile";
import type { VarveError } from "@varve/errors";
import { checkBuild, type PlanOptions, requiredBases, type ResolvedBase } from "@varve/plan";
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
}

/** Checks a definition, with the configs of its bases. Without a target every stage is checked. */
export async function checkDefinition(definition: Definition, options: BuildOptions, scope: PlanningScope): Promise<CheckResult> {
  return checkWith(definition, options, { bases: (dockerfile, planOptions) => resolveBases(dockerfile, planOptions, scope), signal: scope.io.signal });
}

/** Checks the Dockerfile of a directory without asking any registry. */
export async function checkOffline(options: BuildOptions): Promise<CheckResult> {
  const home = homeOf(options);
  const io = options.signal === undefined ? {} : { signal: options.signal };
  const definition = await openDefinition(options, { spool: join(home, "spool"), contexts: join(home, "contexts"), store: home }, io);
  await using _context = definition.context;
  return await checkWith(definition, options, { bases: async (dockerfile, planOptions) => standIns(dockerfile, planOptions), signal: options.signal });
}

async function checkWith(
  definition: Definition,
  options: BuildOptions,
  how: {
    readonly bases: (dockerfile: Dockerfile, planOptions: PlanOptions) => Promise<Readonly<Record<string, ResolvedBase>>>;
    readonly signal: AbortSignal | undefined;
  },
): Promise<CheckResult> {
  const { text, file } = definition;
  const dockerfile = parseDockerfile(text, { file });
  const io = how.signal === undefined ? {} : { signal: how.signal };
  const ignores = await ignoresOf(definition, dockerfile, { options, io });
  const found = new Map<string, Warning>();
  for (const platform of platformsOf(options)) {
    const planOptions: PlanOptions = { ...planOptionsOf(options, platform), ...ignores, allStages: (options.target ?? "") === "" };
    const { warnings, error } = checkBuild(dockerfile, planOptions, await basesFor(dockerfile, planOptions, how.bases));
    for (const warning of warnings) found.set(JSON.stringify(warning), warning);
    if (error !== undefined) return { file, text, warnings: [...found.values()], error };
  }
  return { file, text, warnings: [...found.values()] };
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
