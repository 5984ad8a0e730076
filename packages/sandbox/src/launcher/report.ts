import { getSystemErrorName } from "node:util";
import type { Address, Program, ProgramBuilder } from "./program.ts";
import { RECORD_WORDS } from "./program.ts";

/** The descriptor programs tell about themselves on. */
export const REPORT = 3;

/** First word of each message; that of a failed call is its record, which starts with a negative result. */
const TAG = { child: 1, status: 2, execute: 3, data: 4, runtime: 5, done: 6 } as const;

/** The first call that failed. */
export interface LauncherFailure {
  /** Of the call, e.g. `mount /proc`. */
  readonly label: string;
  /** Linux errno, positive. */
  readonly errno: number;
  /** Its name, e.g. `EPERM`. */
  readonly code: string;
}

/** Everything a program told. */
export interface LauncherReport {
  readonly failure?: LauncherFailure;
  /** The process it made, as this process's pid namespace numbers it. */
  readonly child?: number;
  /** How that ended, as wait(2) tells it; the first that is told. */
  readonly status?: number;
  /** How the container runtime that should have made the process ended, as wait(2) tells it. */
  readonly runtime?: number;
  /** Results of the execve calls that failed, negative errnos in order. */
  readonly execute?: readonly number[];
  readonly data?: Uint8Array;
}

/** Adds a message whose value is stored at `result` by an earlier call; gives where. */
export function reportWord(program: ProgramBuilder, kind: "child" | "status" | "runtime"): { readonly result: Address; send(): void } {
  const message = program.words([TAG[kind], 0]);
  return { result: { address: message.address + 8 }, send: () => program.call("report", "write", REPORT, message, 16) };
}

/** As {@link reportWord} for the results of several execve calls. */
export function reportExecutions(program: ProgramBuilder, count: number): { readonly results: readonly Address[]; readonly send: () => void } {
  const message = program.words([TAG.execute, count, ...Array.from({ length: count }, () => 0)]);
  return {
    results: Array.from({ length: count }, (_, i) => ({ address: message.address + 16 + 8 * i })),
    send: () => program.call("report", "write", REPORT, message, 16 + 8 * count),
  };
}

/** Sends `size` bytes of a buffer. */
export function reportData(program: ProgramBuilder, buffer: Address, size: number): void {
  program.call("report", "write", REPORT, program.words([TAG.data, size]), 16);
  program.call("report", "write", REPORT, buffer, size);
}

/** The words by which a launcher that stays tells that a program is done. */
export function doneMessage(): readonly [number, number] {
  return [TAG.done, 0];
}

/** Reads what a program told; what is incomplete (its process was killed) is left out. */
export function parseReport(bytes: Uint8Array, program: Pick<Program, "labels">): LauncherReport {
  const view = viewOf(bytes);
  const report: { -readonly [K in keyof LauncherReport]: LauncherReport[K] } = {};
  for (const { tag, value, at, end } of messagesOf(view)) {
    if (tag < 0) {
      const label = program.labels[Number(view.readBigUInt64LE(at + 8 * (RECORD_WORDS - 1)))] ?? "start";
      report.failure = { label, errno: -tag, code: errorName(-tag) };
    } else if (tag === TAG.status) report.status ??= value;
    else if (tag === TAG.child) report.child = value;
    else if (tag === TAG.runtime) report.runtime = value;
    else if (tag === TAG.execute) report.execute = Array.from({ length: value }, (_, i) => Number(view.readBigInt64LE(at + 16 + 8 * i)));
    else if (tag === TAG.data) report.data = view.subarray(at + 16, end);
  }
  return report;
}

/** Where the report of a program ends that a launcher that stays has done; `undefined` until it is done. */
export function endOfReport(bytes: Uint8Array): number | undefined {
  for (const { tag, end } of messagesOf(viewOf(bytes))) if (tag === TAG.done) return end;
  return undefined;
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

interface Message {
  readonly tag: number;
  readonly value: number;
  readonly at: number;
  readonly end: number;
}

/** The messages that are there whole. */
function* messagesOf(view: Buffer): Generator<Message, void, undefined> {
  for (let at = 0; at + 16 <= view.length;) {
    const tag = Number(view.readBigInt64LE(at));
    const value = Number(view.readBigInt64LE(at + 8));
    const end = at + sizeOf(tag, value);
    if (end > view.length) return;
    yield { tag, value, at, end };
    at = end;
  }
}

function sizeOf(tag: number, value: number): number {
  if (tag < 0) return 8 * RECORD_WORDS;
  if (tag === TAG.execute) return 16 + 8 * value;
  return tag === TAG.data ? 16 + value : 16;
}

/** Name of a Linux errno, e.g. `ENOENT`. */
export function errorName(errno: number): string {
  return getSystemErrorName(-errno);
}
