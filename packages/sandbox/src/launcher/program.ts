import { createGrowingBytes, type Word } from "./growing-bytes.ts";
import { type LauncherArch, type SystemCall, systemCallNumber } from "./system-call.ts";

/** An address in the launcher's memory: made by a {@link ProgramBuilder}, given to a call as an argument. */
export interface Address {
  readonly address: number;
}

/** What a call's result below zero means. */
export type OnError =
  /** The launcher reports it and ends with {@link LAUNCHER_FAILED}. */
  | "fail"
  /** The next call is made. */
  | "ignore";

/** A place in a program that a call can go on from. */
export interface Branch {
  readonly branch: number;
}

/** One system call with what people call it. */
export interface ProgramCall {
  /** Shown when it fails, e.g. `mount /proc`. */
  readonly label: string;
  readonly onError?: OnError;
  /** Where to go on when the result is above zero, as for the parent after `clone`. Such a call must not fail. */
  readonly onPositive?: Branch;
  /** Where its result (8 bytes, little-endian, negative errno) is kept for a later call. */
  readonly result?: Address;
}

/** System calls as data: bytes for the launcher's program descriptor, labels for errors. */
export interface Program {
  readonly bytes: Uint8Array;
  /** By the index a failure reports. */
  readonly labels: readonly string[];
}

/** Collects system calls and the memory they point to. */
export interface ProgramBuilder {
  readonly arch: LauncherArch;
  /** Appends a call; at most six arguments, missing ones are 0. */
  call(about: string | ProgramCall, name: SystemCall, ...args: readonly (number | bigint | Address)[]): void;
  /** A NUL-terminated byte string (latin1: one character a byte). */
  string(text: string): Address;
  /** Bytes as they are, 8-aligned. */
  data(bytes: Uint8Array): Address;
  /** 64-bit words; addresses among them give an argv. */
  words(values: readonly (number | bigint | Address)[]): Address;
  /** Zeroed memory that is not sent with the program. */
  buffer(size: number): Address;
  /** A place that is not known yet. */
  branch(): Branch;
  /** Puts it before the next call. */
  mark(branch: Branch): void;
  /** Ends with `exit_group(0)`, which is its last record. */
  finish(): Program;
}

/** Where the launcher maps a program, and how much it maps. */
export const PROGRAM_BASE = 0x1000_0000;
export const PROGRAM_SIZE = 0x1000_0000;
/** Buffers start here; what is below travels through the descriptor. */
const BUFFERS = PROGRAM_BASE + PROGRAM_SIZE / 2;
/** The memory's end belongs to what a launcher that stays goes on with after a program. */
export const RESIDENT: number = PROGRAM_BASE + PROGRAM_SIZE - 0x1_0000;
/** nr, six arguments, on error (0 fail, 1 ignore, else the record to go on with when positive), result address, label index. */
export const RECORD_WORDS = 10;
/** Which word of a record says what a failure means, or where to go on. */
export const ON_ERROR = 7;
/** Exit code of a launcher that could not make a call. */
export const LAUNCHER_FAILED = 125;

/**
 * Creates an empty {@link ProgramBuilder}. `before`: labels of a program that reports to the same descriptor and starts this one; they come
 * first in this one's.
 */
export function createProgram(arch: LauncherArch, before: readonly string[] = []): ProgramBuilder {
  const memory = createGrowingBytes();
  // where the first record is; the launcher wants nothing of the other word
  memory.appendWords([0, 0]);
  const records = createGrowingBytes();
  const labels: string[] = [];
  const strings = new Map<string, Address>();
  /** Record index of each branch. */
  const branches: number[] = [];
  /** Branch by the record that goes there. */
  const jumps = new Map<number, number>();
  let buffers = BUFFERS + 8;
  const scratch = BUFFERS;

  const builder: ProgramBuilder = {
    arch,
    call(about, name, ...args) {
      const { label, onError = "fail", result, onPositive } = typeof about === "string" ? ({ label: about } as ProgramCall) : about;
      if (onPositive !== undefined) jumps.set(labels.length, onPositive.branch);
      const at = records.extend(8 * RECORD_WORDS);
      records.setWord(at, systemCallNumber(name, arch));
      // a program has hundreds of calls, and a step one: nothing is allocated for each, and what stays 0 isn't written
      for (let i = 0; i < args.length; i++) records.setWord(at + 8 * (i + 1), word(args[i] ?? 0));
      if (onError === "ignore") records.setWord(at + 8 * ON_ERROR, 1);
      records.setWord(at + 8 * (ON_ERROR + 1), result?.address ?? scratch);
      records.setWord(at + 8 * (ON_ERROR + 2), before.length + labels.length);
      labels.push(label);
    },
    string(text) {
      const known = strings.get(text);
      if (known !== undefined) return known;
      const made = { address: PROGRAM_BASE + memory.appendText(text) };
      strings.set(text, made);
      return made;
    },
    data: (bytes) => ({ address: PROGRAM_BASE + memory.append(bytes) }),
    words: (values) => ({ address: PROGRAM_BASE + memory.appendWords(values.map(word)) }),
    buffer(length) {
      const address = buffers;
      buffers += (length + 7) & ~7;
      return { address };
    },
    branch: () => ({ branch: branches.push(-1) - 1 }),
    mark({ branch }) {
      branches[branch] = labels.length;
    },
    finish() {
      builder.call("exit", "exit_group", 0);
      const start = PROGRAM_BASE + memory.length;
      for (const [record, branch] of jumps) records.setWord(8 * (record * RECORD_WORDS + ON_ERROR), start + (branches[branch] ?? 0) * RECORD_WORDS * 8);
      memory.append(records.bytes());
      memory.setWord(0, start);
      if (PROGRAM_BASE + memory.length > BUFFERS || buffers > RESIDENT) throw new RangeError("a launcher program is larger than its memory");
      return { bytes: memory.bytes(), labels: [...before, ...labels] };
    },
  };
  return builder;
}

function word(value: Word | Address): Word {
  return typeof value === "object" ? value.address : value;
}
