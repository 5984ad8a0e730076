import type { Diagnosis, PredictedRun } from "@varve/build";

type Rung = Diagnosis["rungs"][number];

const WIDTH = 80;

const ISOLATES: Readonly<Record<Rung["isolation"], string>> = {
  namespaces: "files, processes, IPC and host name by namespaces; capabilities and system calls as in Docker",
  "root directory": "nothing but the root directory: RUN is code execution as you",
  none: "nothing: RUN is code execution as you",
};

const OWNERS: Readonly<Record<string, string>> = {
  real: "real",
  shifted: "real in the image; other ids on this machine's disk",
  one: "one: all files belong to the step's user while it runs",
};

/** A {@link Diagnosis} for people, at most 80 columns wide. */
export function diagnosisText({ host, rungs: all, chosen, dockerfile }: Diagnosis): string {
  // it runs nothing by design
  const rungs = all.filter(({ name }) => name !== "none");
  const at = rungs.findIndex(({ name }) => name === chosen);
  const taken = rungs[at];
  const lines = [`kernel ${host.kernel} ${host.architecture}, Node ${host.node}, uid ${host.uid}`, ""];
  if (taken === undefined) {
    lines.push("RUN does not work here. COPY, ADD and all else do, and so does a RUN", "that is in the cache.");
    const common = commonFailure(rungs);
    if (common === undefined) lines.push(...section("What was tried, strongest first:", rungs));
    else lines.push("", ...field("all rungs", common.reason), ...(common.remedy === undefined ? [] : field("", common.remedy, "→ ")));
  } else {
    lines.push(`RUN works here, in the sandbox ${taken.name}.`);
    lines.push(...field("isolates", ISOLATES[taken.isolation]));
    if (taken.ids !== undefined) lines.push(...field("owners", OWNERS[taken.ids] ?? taken.ids));
    lines.push(...field("entered", taken.way ?? ""), ...taken.losses.flatMap((loss) => field("but", loss)));
    lines.push(...section("Stronger ones:", rungs.slice(0, at)), ...section("Weaker ones:", rungs.slice(at + 1)));
  }
  if (dockerfile !== undefined) lines.push(...stepsText(dockerfile.file, dockerfile.steps, taken?.name));
  return `${lines.join("\n")}\n`;
}

/** What keeps every rung from working, if that is one thing. */
function commonFailure(rungs: readonly Rung[]): Rung["failed"][number] | undefined {
  const [first] = rungs.flatMap(({ failed }) => failed);
  return rungs.every(({ failed }) => failed.length === 1 && failed[0]?.reason === first?.reason && failed[0]?.way === undefined) ? first : undefined;
}

const NAME_WIDTH = 10;

function section(title: string, rungs: readonly Rung[]): string[] {
  return rungs.length === 0 ? [] : ["", title, ...rungs.flatMap((rung) => rungText(rung))];
}

function rungText(rung: Rung): string[] {
  if (rung.works) {
    const isolates = rung.isolation === "namespaces" ? [] : [`isolates ${ISOLATES[rung.isolation]}`];
    const why = rung.passedOver === undefined ? [] : [`taken only when asked for, since ${rung.passedOver}`];
    return field(rung.name, ["works", ...why, ...isolates, ...rung.losses].join("; "));
  }
  const reasons = rung.failed.map(({ way, reason }) => (way === undefined ? reason : `${way}: ${reason}`));
  const remedies = new Set(rung.failed.flatMap(({ remedy }) => remedy ?? []));
  return [
    ...(reasons.length === 0 ? field(rung.name, "does not work") : reasons.flatMap((reason, i) => field(i === 0 ? rung.name : "", reason))),
    ...[...remedies].flatMap((remedy) => field("", remedy, "→ ")),
  ];
}

function stepsText(file: string, steps: readonly PredictedRun[], rung: string | undefined): string[] {
  if (rung === undefined && steps.length > 0) {
    const which = steps.length === 1 ? "1 RUN, which must come from the cache" : `${steps.length} RUNs, which must come from the cache`;
    return ["", ...wrap(`${file}: ${which}`, WIDTH)];
  }
  const troubled = steps.filter(({ problems }) => problems.length > 0);
  const count = steps.length === 1 ? "1 RUN" : `${steps.length} RUNs`;
  const fine = troubled.length === 0 ? "all as Docker would" : `${steps.length - troubled.length} as Docker would`;
  const summary = steps.length === 0 ? "no RUN: it builds without a sandbox" : `${count}, run by ${rung ?? ""}; ${fine}`;
  return ["", ...wrap(`${file}: ${summary}`, WIDTH), ...troubled.flatMap((step) => stepText(step))];
}

function stepText({ line, instruction, problems }: PredictedRun): string[] {
  const shown = instruction.replace(/\s+/g, " ");
  const width = WIDTH - 11;
  return [
    `  ${String(line).padStart(4)} │ ${shown.length > width ? `${shown.slice(0, width - 1)}…` : shown}`,
    ...problems.flatMap(({ kind, text }) => wrap(`${kind}: ${text}`, width).map((part) => `       │   ${part}`)),
  ];
}

/** A name and what is said of it beside it; `mark` goes before its first line. */
function field(name: string, text: string, mark = ""): string[] {
  const blank = " ".repeat(mark.length);
  return wrap(text, WIDTH - NAME_WIDTH - 3 - mark.length).map((line, i) => `  ${(i === 0 ? name : "").padEnd(NAME_WIDTH)} ${i === 0 ? mark : blank}${line}`);
}

/** Breaks at blanks; a word longer than the width gets a line of its own. */
function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
