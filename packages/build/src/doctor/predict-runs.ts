import type { Dockerfile, RunInstruction, RunMount } from "@varve/dockerfile";
import type { RungReport } from "@varve/snapshot";

/** What a rung does differently, or cannot do, in a step. */
export interface PredictedProblem {
  /** The step cannot be run there; its result is not what Docker's would be; or it is not if the step depends on it. */
  readonly kind: "fails" | "differs" | "may differ";
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
  /** The last USER of each stage, by name and number. */
  const users = new Map<string, string>();
  return dockerfile.stages.flatMap((stage, number) => {
    let user = users.get(stage.from.image.value.toLowerCase()) ?? "root";
    const runs = stage.instructions.flatMap((instruction) => {
      if (instruction.kind === "user") user = instruction.user.value;
      if (instruction.kind !== "run") return [];
      return [{ line: instruction.range.start.line, instruction: instruction.original, problems: problemsOf(instruction, user, rung) }];
    });
    for (const name of [String(number), ...(stage.name === undefined ? [] : [stage.name])]) users.set(name, user);
    return runs;
  });
}

const GIVES_AWAY = /\b(chown|chgrp|install\s[^;&|]*-[og])\b/;
const MAKES_USERS = /\b(useradd|adduser|usermod)\b/;
/** Bash's process substitution, and descriptors by name; the first three have names everywhere. */
const OPENS_DESCRIPTORS = /(^|\s)[<>]\(|\/dev\/fd\/(?![012]\b)/m;
const MAKES_TERMINALS = /\/dev\/ptmx|\bscript\s+-|\bunbuffer\b/;
const BECOMES_ANOTHER = /\b(sudo|su|gosu|su-exec|runuser)\b/;
/** Of a device; a fifo can be made anywhere. */
const MAKES_DEVICE = /\bmknod\b[^;&|\n]*\s[bcu]\s+\d/;
const LOOKS_AT_PROCESSES = /\/proc\b|\b(ps|pgrep|pkill|pidof|top)\b/;
const ASKS_HOST_NAME = /\bhostname\b|\buname\s+-[a-z]*[an]/;

function problemsOf(run: RunInstruction, user: string, rung: RungReport | undefined): PredictedProblem[] {
  if (rung === undefined) return [{ kind: "fails", text: "no sandbox works here: it must come from the cache" }];
  const text = textOf(run);
  const isolated = rung.isolation === "namespaces";
  const found: PredictedProblem[] = [];
  const tell = (kind: PredictedProblem["kind"], problem: string): void => void found.push({ kind, text: problem });
  if (!isolated && run.security === "insecure") tell("fails", "--security=insecure needs a sandbox with namespaces");
  if (!isolated && run.network === "none") tell("fails", "--network=none needs a sandbox with namespaces");
  if (rung.ids === "one") found.push(...problemsOfOneOwner(text, user));
  if (rung.ids === "shifted" && MAKES_DEVICE.test(text)) tell("fails", "mknod of a device is not permitted in a user namespace");
  if (rung.powers?.fileCapabilities === false && /\bsetcap\b/.test(text)) {
    // proot says that it set them
    if (rung.isolation === "none") tell("differs", "capabilities it gives to files are not kept");
    else tell("fails", "capabilities cannot be given to files without CAP_SETFCAP");
  }
  if (!isolated && LOOKS_AT_PROCESSES.test(text)) {
    tell("may differ", rung.isolation === "none" ? "/proc shows the processes of the container around it" : "there is no /proc");
  }
  if (rung.isolation === "root directory" && OPENS_DESCRIPTORS.test(text)) {
    tell("fails", "there is no /proc to open further descriptors through: <(…), >(…) and /dev/fd are not there");
  }
  if (rung.isolation === "root directory" && MAKES_TERMINALS.test(text)) tell("fails", "there is no /dev/ptmx: it cannot make a terminal");
  if (!isolated && ASKS_HOST_NAME.test(text)) tell("may differ", "the host name is that of the container around it");
  return [...found, ...run.mounts.flatMap((mount) => problemsOfMount(mount, rung))];
}

function problemsOfOneOwner(text: string, user: string): PredictedProblem[] {
  const isRoot = /^(root|0)(:|$)/.test(user);
  const found: PredictedProblem[] = [];
  if (GIVES_AWAY.test(text)) found.push({ kind: "differs", text: `owners it gives are not kept: what it makes belongs to ${user}` });
  else if (MAKES_USERS.test(text)) found.push({ kind: "may differ", text: `home directories it makes belong to ${user}` });
  if (!isRoot && BECOMES_ANOTHER.test(text)) found.push({ kind: "differs", text: "set-id programs have no effect: it cannot become another user" });
  if (!isRoot) found.push({ kind: "may differ", text: "files of other users are not kept from it: all are its own while it runs" });
  if (MAKES_DEVICE.test(text)) found.push({ kind: "differs", text: "device files it makes are left out" });
  return found;
}

function problemsOfMount({ fields }: RunMount, { mounts, powers, isolation }: RungReport): PredictedProblem[] {
  const value = (...keys: readonly string[]): string | undefined => {
    const field = fields.findLast(({ key }) => keys.includes(key.toLowerCase()));
    return field === undefined ? undefined : (field.value ?? "true");
  };
  const type = value("type") ?? "bind";
  const readonly = value("ro", "readonly") ?? (value("rw", "readwrite") === undefined && type === "bind" ? "true" : "false");
  if (powers?.readonlyMounts === false && readonly === "true" && (type === "bind" || type === "cache")) {
    return [{ kind: "may differ", text: "what it writes to a mount that is read-only is thrown away, not refused" }];
  }
  if (type === "cache" && isolation === "root directory" && readonly !== "true" && (value("sharing") ?? "shared") === "shared") {
    return [{ kind: "may differ", text: "a cache that it shares with other steps is used by one at a time" }];
  }
  if (type === "tmpfs" && !mounts && value("size") !== undefined) return [{ kind: "may differ", text: "the size of its tmpfs is not limited" }];
  const isFile = value("env") === undefined || value("target", "dst", "destination") !== undefined;
  if (type === "secret" && isFile && powers?.secretsInMemory === false) {
    return [{ kind: "may differ", text: "its secret is on the disk while it runs; if all is killed at once, until the next build" }];
  }
  return [];
}

function textOf(run: RunInstruction): string {
  const command = run.command.form === "exec" ? run.command.args.join(" ") : run.command.text;
  return [command, ...run.heredocs.map(({ content }) => content)].join("\n");
}
