import type { Dockerfile, RunInstruction } from "@varve/dockerfile";
import type { RungReport } from "@varve/snapshot";

/** What a rung does differently, or cannot do, in a step. */
export interface PredictedProblem {
  /** The step cannot be run there, or its result is not what Docker's would be. */
  readonly kind: "fails" | "differs";
  readonly text: string;
}

/** A RUN of a Dockerfile, as far as it can be told without running it. */
export interface PredictedRun {
  /** From 1. */
  readonly line: number;
  readonly instruction: string;
  readonly problems: readonly PredictedProblem[];
}

/** What happens to every RUN of a Dockerfile on a rung; without one, to those that miss the cache. Base images are not asked: their USER is not known. */
export function predictRuns(dockerfile: Dockerfile, rung: RungReport | undefined): readonly PredictedRun[] {
  return dockerfile.stages.flatMap((stage) => {
    let user = "root";
    return stage.instructions.flatMap((instruction) => {
      if (instruction.kind === "user") user = instruction.user.value;
      if (instruction.kind !== "run") return [];
      return [{ line: instruction.range.start.line, instruction: instruction.original, problems: problemsOf(instruction, user, rung) }];
    });
  });
}

const CHANGES_OWNERS = /\b(chown|chgrp|useradd|adduser|groupadd|addgroup|usermod|install\s[^;&|]*-[og])\b/;
/** Bash's process substitution, and descriptors by name; the first three have names everywhere. */
const OPENS_DESCRIPTORS = /(^|\s)[<>]\(|\/dev\/fd\/(?![012]\b)/m;
const MAKES_TERMINALS = /\/dev\/ptmx|\bscript\s+-|\bunbuffer\b/;
const BECOMES_ANOTHER = /\b(sudo|su|gosu|su-exec|runuser)\b/;

function problemsOf(run: RunInstruction, user: string, rung: RungReport | undefined): PredictedProblem[] {
  if (rung === undefined) return [{ kind: "fails", text: "no sandbox works here: it must come from the cache" }];
  const text = textOf(run);
  const isolated = rung.isolation === "namespaces";
  const asRoot = user === "root" || user === "0" || user.startsWith("root:") || user.startsWith("0:");
  const found: PredictedProblem[] = [];
  const fails = (problem: string): void => void found.push({ kind: "fails", text: problem });
  const differs = (problem: string): void => void found.push({ kind: "differs", text: problem });
  if (!isolated && run.security === "insecure") fails("--security=insecure needs a sandbox with namespaces");
  if (!isolated && run.network === "none") fails("--network=none needs a sandbox with namespaces");
  if (rung.ids === "one") {
    if (CHANGES_OWNERS.test(text)) differs(`all files it makes belong to ${user}, whatever owner it gives them`);
    if (!asRoot && BECOMES_ANOTHER.test(text)) differs("set-id programs have no effect: it cannot become another user");
    if (/\bmknod\b/.test(text)) differs("device files it makes are left out");
  }
  if (rung.ids === "shifted" && /\bmknod\b/.test(text)) fails("mknod of a device is not permitted in a user namespace");
  if (!isolated && /\/proc\/|\bps\b/.test(text)) differs("it may not find its own processes in /proc");
  if (!rung.mounts && run.mounts.length > 0) differs("its mounts are copies: read-only ones can be written to");
  if (rung.isolation === "root directory") found.push(...problemsWithoutProc(run, text));
  return found;
}

function problemsWithoutProc(run: RunInstruction, text: string): PredictedProblem[] {
  const found: PredictedProblem[] = [];
  if (run.mounts.some(isSharedCache)) found.push({ kind: "differs", text: "a cache that it shares with other steps is used by one at a time" });
  if (OPENS_DESCRIPTORS.test(text)) {
    found.push({ kind: "fails", text: "there is no /proc to open further descriptors through: <(…), >(…) and /dev/fd are not there" });
  }
  if (MAKES_TERMINALS.test(text)) found.push({ kind: "fails", text: "there is no /dev/ptmx: it cannot make a terminal" });
  return found;
}

function isSharedCache({ fields }: RunInstruction["mounts"][number]): boolean {
  const value = (key: string): string | undefined => fields.findLast((field) => field.key === key)?.value;
  return value("type") === "cache" && (value("sharing") ?? "shared") === "shared";
}

function textOf(run: RunInstruction): string {
  const command = run.command.form === "exec" ? run.command.args.join(" ") : run.command.text;
  return [command, ...run.heredocs.map(({ content }) => content)].join("\n");
}
