import { lstat, rm } from "node:fs/promises";
import type { BuildOptions, BuildResult } from "@varve/build";
import { streamOf } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { requireWritable, writeSink } from "@varve/image";
import { EXIT } from "../exit-code.ts";
import { parseAssignments, parseFields, refuseUnknownFields } from "../options/key-values.ts";
import { parseOutput } from "../options/output.ts";
import { parseBytes, parseHost, parseUlimit } from "../options/quantities.ts";
import { type RungFlags, rungChoice } from "../options/rung.ts";
import { createProgress, type ProgressMode } from "../progress/progress.ts";
import type { Session } from "../session.ts";

/** What commander gives for `varve build`. */
export interface BuildFlags extends RungFlags {
  readonly file?: string;
  readonly tag: readonly string[];
  readonly push?: boolean;
  readonly buildArg: readonly string[];
  readonly label: readonly string[];
  readonly target?: string;
  readonly platform: readonly string[];
  readonly output: readonly string[];
  /** commander: false for --no-cache. */
  readonly cache: boolean;
  readonly pull?: boolean;
  readonly progress: ProgressMode;
  readonly quiet?: boolean;
  readonly iidfile?: string;
  readonly metadataFile?: string;
  readonly print?: boolean;
  readonly check?: boolean;
  readonly call?: string;
  readonly network: "default" | "none" | "host";
  readonly secret: readonly string[];
  readonly ssh: readonly string[];
  readonly buildContext: readonly string[];
  readonly addHost: readonly string[];
  readonly shmSize?: string;
  readonly ulimit: readonly string[];
  readonly insecureRegistry: readonly string[];
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
    context,
    ...(flags.file === undefined ? {} : { file: flags.file }),
    tags: flags.tag,
    push: flags.push === true,
    buildArgs: parseAssignments(flags.buildArg, session.env),
    labels: Object.fromEntries(flags.label.map((label) => splitPair(label))),
    buildContexts: Object.fromEntries(flags.buildContext.map((text) => namedContext(text))),
    ...(flags.target === undefined ? {} : { target: flags.target }),
    ...(platforms.length === 0 ? {} : { platforms }),
    noCache: !flags.cache,
    pull: flags.pull === true,
    ...(outputs.length === 0 ? {} : { outputs }),
    network: flags.network,
    secrets: flags.secret.map((text) => parseSecret(text)),
    ssh: flags.ssh.map((text) => parseSsh(text)),
    addHosts: flags.addHost.map((text) => parseHost(text)),
    ...(flags.shmSize === undefined ? {} : { shmSize: parseBytes("--shm-size", flags.shmSize) }),
    ulimits: flags.ulimit.map((text) => parseUlimit(text)),
    ...rungChoice(flags, session),
    insecureRegistries: [...session.insecureRegistries, ...flags.insecureRegistry],
    home: session.home,
    signal: session.signal,
  };
}

function splitPair(text: string): [string, string] {
  const equals = text.indexOf("=");
  return equals < 0 ? [text, ""] : [text.slice(0, equals), text.slice(equals + 1)];
}

function namedContext(text: string): [string, string] {
  const [name, value] = splitPair(text);
  if (name === "" || value === "") throw new VarveError("CLI_USAGE", `--build-context: ${JSON.stringify(text)} is not name=source`);
  return [name, value];
}

function parseSecret(text: string): { readonly id: string; readonly file?: string; readonly env?: string } {
  const fields = parseFields("--secret", text);
  refuseUnknownFields("--secret", fields, ["type", "id", "src", "source", "env"]);
  const id = fields.get("id");
  const type = fields.get("type");
  if (id === undefined || id === "") throw new VarveError("CLI_USAGE", `--secret ${text}: no id`, { hint: "for example --secret id=token,src=token.txt" });
  if (type !== undefined && type !== "file" && type !== "env") {
    throw new VarveError("CLI_USAGE", `--secret ${text}: unknown type ${JSON.stringify(type)}`, { hint: "known types: file, env" });
  }
  const source = fields.get("src") ?? fields.get("source");
  const env = fields.get("env") ?? (type === "env" ? (source ?? id) : undefined);
  if (env !== undefined) return { id, env };
  return source === undefined ? { id } : { id, file: source };
}

function parseSsh(text: string): { readonly id: string; readonly socket?: string } {
  const [id, socket] = splitPair(text);
  return socket === "" ? { id } : { id, socket };
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
