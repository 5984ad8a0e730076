import { VarveError } from "@varve/errors";

/** What `--chmod` asks for. */
export interface ModeChange {
  /** 0o7777 bits; present for the octal form, which also sets the mode of directories that are created on the way. */
  readonly octal?: number;
  /** The new mode of an entry. */
  apply(mode: number, isDirectory: boolean): number;
}

const SET_IDS = 0o6000;
const STICKY = 0o1000;
const STANDARD = SET_IDS | 0o777;
const EXECUTE = 0o111;
const CLASSES = { u: { bits: 0o4700, shift: 6 }, g: { bits: 0o2070, shift: 3 }, o: { bits: 0o0007, shift: 0 } } as const;

type ModeStep = (mode: number, original: number, isDirectory: boolean) => number;

/**
 * Parses `--chmod`: octal up to 07777, or the symbolic form of BSD's setmode(3), which BuildKit uses, under umask 0; `X` goes with every operator,
 * as in POSIX.1-2024 and in BuildKit since its issue 5835. Throws PLAN_INVALID_INSTRUCTION.
 */
export function parseModeChange(text: string): ModeChange {
  if (/^[0-7]+$/.test(text)) {
    const octal = Number.parseInt(text, 8);
    if (octal <= 0o7777) return { octal, apply: () => octal };
  }
  if (text === "" || /^[0-9]/.test(text)) throw invalidMode(text);
  const steps = text.split(",").flatMap((clause) => parseClause(clause, text));
  return { apply: (mode, isDirectory) => steps.reduce((current, step) => step(current, mode, isDirectory), mode) };
}

function parseClause(clause: string, text: string): ModeStep[] {
  const whoText = /^[augo]*/.exec(clause)?.[0] ?? "";
  let who = 0;
  for (const letter of whoText) who |= letter === "a" ? STANDARD : CLASSES[letter as keyof typeof CLASSES].bits;
  const rest = clause.slice(whoText.length);
  const groups = [...rest.matchAll(/([-+=])([rstwXxugo]*)/g)];
  if (groups.length === 0 || groups.map((group) => group[0]).join("") !== rest) throw invalidMode(text);
  return groups.flatMap((group) => parseGroup(who, group[1] as "+" | "-" | "=", group[2] ?? ""));
}

/** One operator and what follows it. `who` 0 is everybody. */
function parseGroup(given: number, operator: "+" | "-" | "=", permissions: string): ModeStep[] {
  let who = given;
  let bits = 0;
  let conditional = 0;
  const copies: ModeStep[] = [];
  for (const letter of permissions) {
    if (letter === "r") bits |= 0o444;
    else if (letter === "w") bits |= 0o222;
    else if (letter === "x") bits |= EXECUTE;
    else if (letter === "X") conditional = EXECUTE;
    else if (letter === "s") bits |= who === 0 || (who & ~0o7) !== 0 ? SET_IDS : 0;
    else if (letter === "t") {
      if (who !== 0 && (who & ~0o7) === 0) continue;
      who |= given === 0 ? 0 : STICKY;
      bits |= STICKY;
    } else copies.push(copyStep(who, operator, letter as keyof typeof CLASSES));
  }
  const chosen = who === 0 ? bits : bits & who;
  const steps: ModeStep[] = [];
  if (operator === "=" && (copies.length === 0 || bits !== 0)) steps.push((mode) => mode & ~(who === 0 ? STANDARD : who));
  if (chosen !== 0) steps.push(operator === "-" ? (mode) => mode & ~chosen : (mode) => mode | chosen);
  if (conditional !== 0) {
    const execute = who === 0 ? conditional : conditional & who;
    const change = operator === "-" ? (mode: number): number => mode & ~execute : (mode: number): number => mode | execute;
    steps.push((mode, original, isDirectory) => ((original & EXECUTE) !== 0 || isDirectory ? change(mode) : mode));
  }
  return [...steps, ...copies];
}

/** `g=u`: the permissions of one class, given to others. */
function copyStep(who: number, operator: "+" | "-" | "=", from: keyof typeof CLASSES): ModeStep {
  const targets = Object.values(CLASSES).filter((target) => who === 0 || (who & target.bits & 0o777) !== 0);
  return (mode) => {
    const value = (mode >> CLASSES[from].shift) & 0o7;
    let next = mode;
    for (const { shift } of targets) {
      if (operator === "=") next &= ~(0o7 << shift);
      next = operator === "-" ? next & ~(value << shift) : next | (value << shift);
    }
    return next;
  };
}

function invalidMode(text: string): VarveError {
  return new VarveError("PLAN_INVALID_INSTRUCTION", `invalid chmod parameter ${JSON.stringify(text)}`, {
    hint: "an octal number between 0 and 07777, or symbolic like u=rwX,go=rX",
  });
}
