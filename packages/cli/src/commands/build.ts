import { lstat, rm } from "node:fs/promises";
import type { BuildOptions, BuildResult } from "@varve/build";
import { streamOf } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { requireWritable, writeSink } from "@varve/image";
import { EXIT } from "../exit-code.ts";
import { buildInputs, type BuildInputFlags } from "../options/build-inputs.ts";
import { parseOutput } from "../options/output.ts";
import { createProgress } from "../progress/progress.ts";
import type { Session } from "../session.ts";

/** What commander gives for `varve build`. */
export interface BuildFlags extends BuildInputFlags {
  readonly tag: readonly string[];
  readonly push?: boolean;
  readonly platform: readonly string[];
  readonly output: readonly string[];
  /** commander: false for --no-cache. */
  readonly cache: boolean;
  readonly quiet?: boolean;
  readonly iidfile?: string;
  readonly metadataFile?: string;
  readonly print?: boolean;
  readonly check?: boolean;
  readonly call?: string;
}

/** `varve build`. */
export async function buildCommand(session: Session, context: string | undefined, flags: BuildFlags): Promise<number> {
  if (context === undefined) {
    throw new VarveError("CLI_USAGE", "no build context is given", { hint: "varve build . builds from the current directory" });
  }
  const options = toBuildOptions(session, context, flags);
  const { build, planFor } = await import("@varve/build");
  if (flags.print === true) {
    const plans = await planFor(options);
    session.print(`${JSON.stringify(plans.length === 1 ? plans[0] : plans, undefined, 2)}\n`);
    return EXIT.ok;
  }
  const call = flags.check === true ? "check" : flags.call;
  if (call !== undefined && call !== "build") {
    const { callCommand } = await import("./call.ts");
    return await callCommand(session, options, call);
  }
  for (const path of [flags.iidfile, flags.metadataFile]) if (path !== undefined) await requireWritable(path);
  // as docker: what an earlier build wrote must not be taken for this one's when it fails
  if (flags.iidfile !== undefined && (await isRegularFile(flags.iidfile))) await rm(flags.iidfile);
  const progress = createProgress(flags.quiet === true ? "quiet" : flags.progress, session);
  let result: BuildResult;
  try {
    result = await build({ ...options, onProgress: progress.onProgress });
  } finally {
    progress.close();
  }
  if (flags.iidfile !== undefined) await writeSink(flags.iidfile, streamOf(new TextEncoder().encode(result.imageID)));
  if (flags.metadataFile !== undefined) await writeSink(flags.metadataFile, streamOf(new TextEncoder().encode(metadata(result))));
  if (flags.quiet === true) session.print(`${result.imageID}\n`);
  return EXIT.ok;
}

function toBuildOptions(session: Session, context: string, flags: BuildFlags): BuildOptions {
  const outputs = flags.output.map((text) => parseOutput(text, flags.tag));
  if (flags.push === true && outputs.some((output) => output.type !== "image")) {
    throw new VarveError("CLI_USAGE", "--push and --output name different places", { hint: "use --output type=registry beside the other --output" });
  }
  const platforms = flags.platform.flatMap((value) => value.split(",")).filter((value) => value !== "");
  return {
    ...buildInputs(session, context, flags),
    tags: flags.tag,
    push: flags.push === true,
    ...(platforms.length === 0 ? {} : { platforms }),
    noCache: !flags.cache,
    ...(outputs.length === 0 ? {} : { outputs }),
  };
}

/** buildx's names, so that scripts written for it work. */
function metadata(result: BuildResult): string {
  return `${JSON.stringify(
    {
      // an index has no config
      ...(result.imageID === result.descriptor.digest ? {} : { "containerimage.config.digest": result.imageID }),
      "containerimage.descriptor": result.descriptor,
      "containerimage.digest": result.descriptor.digest,
      ...(result.names.length === 0 ? {} : { "image.name": result.names.join(",") }),
    },
    undefined,
    2,
  )}\n`;
}

async function isRegularFile(path: string): Promise<boolean> {
  return (await lstat(path).catch(() => undefined))?.isFile() === true;
}
