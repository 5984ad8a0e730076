import { ON_ERROR, type Program, PROGRAM_BASE, RECORD_WORDS, RESIDENT } from "./program.ts";
import { doneMessage, REPORT } from "./report.ts";
import { type LauncherArch, type SystemCall, systemCallNumber } from "./system-call.ts";

/** Where a launcher that stays is given its programs: a stream socket. */
export const FEED = 5;
const MSG_WAITALL = 0x100;
const MADV_DONTNEED = 4;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const RECORD = RECORD_WORDS * 8;
/** Which words of a record say where to go on, and its third argument. */
const [START, THIRD] = [ON_ERROR, 3];
/** Where a result goes that nobody wants. */
const SCRATCH = RESIDENT + 0x8000;

/** What makes a launcher stay: the program it is started with, and what it is sent first. */
export interface ResidentParts {
  readonly program: Program;
  readonly resident: Uint8Array;
}

/**
 * A launcher that stays. Its program puts what it is sent to the end of its memory, where no other program comes, and goes on there: this
 * resident part reads a program to where programs lie, makes its calls, tells that they are done, and reads the next. The executable is the
 * launcher's as ever; the loop is data. A call that may not fail and does ends it, as it ends any launcher.
 */
export function residentParts(arch: LauncherArch): ResidentParts {
  const resident = residentPart(arch);
  const records = [
    record(arch, "prctl", [PR_SET_PDEATHSIG, SIGKILL]),
    record(arch, "recvfrom", [FEED, RESIDENT, resident.length, MSG_WAITALL], recordAt(1)),
    record(arch, "exit_group", []),
  ];
  return { program: { bytes: bytesOf([PROGRAM_BASE + 16, 0, ...records.flat()]), labels: ["die with the starter", "stay", "leave"] }, resident };
}

/** A program as it is sent to such a launcher: its first record's address, its size, and its bytes, which end by going on in the resident part. */
export function residentProgram({ bytes }: Program, arch: LauncherArch): Uint8Array {
  const sent = Buffer.allocUnsafe(16 + bytes.length);
  sent.set(bytes.subarray(0, 8), 0);
  sent.writeUInt32LE(bytes.length, 8);
  sent.writeUInt32LE(0, 12);
  sent.set(bytes, 16);
  sent.set(returnOf(arch), sent.length - RECORD);
  return sent;
}

/** The record by which a program goes on in the resident part. */
function returnOf(arch: LauncherArch): Uint8Array {
  const made = returns.get(arch) ?? bytesOf(jump(arch, recordAt(0)));
  returns.set(arch, made);
  return made;
}
const returns = new Map<LauncherArch, Uint8Array>();

function residentPart(arch: LauncherArch): Uint8Array {
  const done = doneMessage();
  const records = [
    record(arch, "write", [REPORT, RESIDENT, done.length * 8]),
    record(arch, "recvfrom", [FEED, wordAt(6, START), 8, MSG_WAITALL], recordAt(3)),
    record(arch, "exit_group", []),
    record(arch, "recvfrom", [FEED, wordAt(5, THIRD), 8, MSG_WAITALL]),
    // buffers are zero when a program starts
    record(arch, "madvise", [PROGRAM_BASE, RESIDENT - PROGRAM_BASE, MADV_DONTNEED]),
    record(arch, "recvfrom", [FEED, PROGRAM_BASE, 0, MSG_WAITALL]),
    jump(arch, 0),
  ];
  return bytesOf([...done, ...records.flat()]);
}

/** Address of one of the resident records, which follow the message. */
function recordAt(index: number): number {
  return RESIDENT + 8 * doneMessage().length + index * RECORD;
}

function wordAt(index: number, word: number): number {
  return recordAt(index) + 8 * word;
}

/** `goTo`: the record to go on with when the result is above zero. */
function record(arch: LauncherArch, name: SystemCall, args: readonly number[], goTo = 0): number[] {
  return [systemCallNumber(name, arch), ...Array.from({ length: 6 }, (_, i) => args[i] ?? 0), goTo, SCRATCH, 0];
}

/** A call whose result is always above zero. */
function jump(arch: LauncherArch, to: number): number[] {
  return record(arch, "getpid", [], to);
}

function bytesOf(words: readonly number[]): Uint8Array {
  return new Uint8Array(BigUint64Array.from(words, BigInt).buffer);
}
