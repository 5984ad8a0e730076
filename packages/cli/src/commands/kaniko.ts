import { writeFile } from "node:fs/promises";
import { type BuildResult, build } from "@varve/build";
import { VarveError } from "@varve/errors";
import { Help } from "commander";
import { parseReference } from "@varve/oci";
import { EXIT } from "../exit-code.ts";
import { KANIKO_FLAGS } from "../kaniko/kaniko-flag.ts";
import { type KanikoArguments, parseKanikoArguments } from "../kaniko/kaniko-arguments.ts";
import { kanikoOptions } from "../kaniko/kaniko-options.ts";
import { createProgress } from "../progress/progress.ts";
import type { Session } from "../session.ts";
import { readVersion } from "../version.ts";

const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "panic"];

/** `varve kaniko FLAGS`: a build by the command line of kaniko's executor. */
export async function kanikoCommand(session: Session, argv: readonly string[]): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) {
    session.print(help());
    return EXIT.ok;
  }
  const [word] = argv;
  if (argv.length === 1 && (word === "version" || word === "--version")) {
    session.print(`${readVersion()}\n`);
    return EXIT.ok;
  }
  const flags = parseKanikoArguments(argv);
  const options = kanikoOptions(session, flags);
  const mode = progressMode(flags);
  if (mode !== "quiet") for (const note of flags.without) session.say(`varve kaniko: ${note}\n`);
  const progress = createProgress(mode, session);
  let result: BuildResult;
  try {
    result = await build({ ...options, onProgress: progress.onProgress });
  } finally {
    progress.close();
  }
  await writeDigests(flags, result);
  return EXIT.ok;
}

function progressMode(flags: KanikoArguments): "plain" | "quiet" | "rawjson" {
  const level = flags.text("verbosity") ?? "info";
  if (!LEVELS.includes(level)) throw new VarveError("CLI_USAGE", `unknown --verbosity ${level}`, { hint: `known are ${LEVELS.join(", ")}` });
  const format = flags.text("log-format") ?? "color";
  if (!["text", "color", "json"].includes(format)) {
    throw new VarveError("CLI_USAGE", `unknown --log-format ${format}`, { hint: "known are text, color, json" });
  }
  if (LEVELS.indexOf(level) > LEVELS.indexOf("info")) return "quiet";
  return format === "json" ? "rawjson" : "plain";
}

async function writeDigests(flags: KanikoArguments, { descriptor }: BuildResult): Promise<void> {
  const destinations = flags.list("destination").map((text) => parseReference(text));
  const lines = (withTag: boolean): string =>
    destinations
      .map(({ registry, repository, tag }) => `${registry}/${repository}${withTag && tag !== undefined ? `:${tag}` : ""}@${descriptor.digest}\n`)
      .join("");
  await writeText("digest-file", flags, descriptor.digest);
  await writeText("image-name-with-digest-file", flags, lines(false));
  await writeText("image-name-tag-with-digest-file", flags, lines(true));
}

async function writeText(flag: string, flags: KanikoArguments, text: string): Promise<void> {
  const path = flags.text(flag);
  if (path === undefined) return;
  try {
    await writeFile(path, text);
  } catch (cause) {
    throw new VarveError("CLI_USAGE", `cannot write --${flag} ${path}`, { cause, hint: cause instanceof Error ? cause.message : undefined });
  }
}

function help(): string {
  const helper = Object.assign(new Help(), { helpWidth: 80, minWidthToWrap: 24 });
  const lines = Object.entries(KANIKO_FLAGS).flatMap(([name, { short, kind, does }]) => {
    if (does === "") return [];
    const usage = `${short === undefined ? "    " : `-${short}, `}--${name}${kind === "switch" ? "" : " <value>"}`;
    return [helper.formatItem(usage, 46, does, helper)];
  });
  const silent = Object.entries(KANIKO_FLAGS).flatMap(([name, { without }]) => (without === undefined ? [] : [`--${name}`]));
  const refused = Object.entries(KANIKO_FLAGS).flatMap(([name, flag]) => (flag.refused === undefined ? [] : [`--${name}`]));
  return [
    "Usage: varve kaniko [flags of kaniko's executor]\n",
    "Builds and pushes as kaniko's executor did; docs/kaniko.md tells how to move.\n",
    ...lines,
    helper.boxWrap(`\nTaken, without a meaning here: ${silent.join(" ")}`, 80),
    helper.boxWrap(`Refused, with what to do instead: ${refused.join(" ")}\n`, 80),
  ].join("\n");
}
