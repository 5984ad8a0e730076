import { createProgram, type ProgramBuilder } from "./launcher/program.ts";
import { runProgram } from "./launcher/program-runner.ts";
import { reportData } from "./launcher/report.ts";
import { launcherArch } from "./launcher/system-call.ts";
import { AT_FDCWD } from "./mounting.ts";

/** A place of the host that may be changed: the contents of a file, or of the files in a directory; or all that is in a directory. */
export interface WritablePlace {
  /** Bytes, as latin1. */
  readonly path: string;
  readonly what: "contents" | "all";
}

const CREATE_RULESET_VERSION = 1;
const RULE_PATH_BENEATH = 1;
const O_PATH_CLOEXEC = 0o12000000;
/** LANDLOCK_ACCESS_FS_*: WRITE_FILE, and from version 3 on TRUNCATE. */
const WRITE_FILE = 1 << 1;
const TRUNCATE = 1 << 14;
/** REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, _DIR, _REG, _SOCK, _FIFO, _BLOCK, _SYM, and REFER, which renames and links between directories. */
const CHANGE_DIRECTORY = 0b11_1111_1111 << 4;
/** The first version in which files can be moved from one directory to another at all. */
const FIRST_VERSION = 2;

/** The version of Landlock (landlock(7)) that a process can confine itself with, without privilege; 0 where it cannot. `launcher` is the path of an open launcher. */
export async function landlockVersion(launcher: string): Promise<number> {
  const program = createProgram(launcherArch());
  const result = program.buffer(8);
  program.call({ label: "ask for Landlock", onError: "ignore", result }, "landlock_create_ruleset", 0, 0, CREATE_RULESET_VERSION);
  reportData(program, result, 8);
  const { data } = await runProgram(launcher, program.finish());
  const version = data === undefined ? 0 : Number(Buffer.from(data).readBigInt64LE(0));
  return version >= FIRST_VERSION ? version : 0;
}

/**
 * Lets the process, and all it will make, change nothing but what is in these places, and write to its output; places that are not there are left out. It must have
 * given up new privileges. `version` is above 0; `free` is the lowest closed descriptor.
 */
export function confineWrites(
  program: ProgramBuilder,
  places: readonly WritablePlace[],
  { version, free }: { readonly version: number; readonly free: number },
): void {
  const contents = WRITE_FILE | (version > 2 ? TRUNCATE : 0);
  const all = contents | CHANGE_DIRECTORY;
  program.call("confine what is written", "landlock_create_ruleset", program.words([all]), 8, 0);
  const allow = (label: string, access: number, descriptor: number): void => {
    const rule = Buffer.alloc(12);
    rule.writeBigUInt64LE(BigInt(access));
    rule.writeInt32LE(descriptor, 8);
    program.call({ label, onError: "ignore" }, "landlock_add_rule", free, RULE_PATH_BENEATH, program.data(rule), 0);
  };
  for (const { path, what } of places) {
    const about = { label: `allow ${path} to be written`, onError: "ignore" } as const;
    program.call(about, "openat", AT_FDCWD, program.string(path), O_PATH_CLOEXEC);
    allow(about.label, what === "all" ? all : contents, free + 1);
    program.call(about, "close", free + 1);
  }
  // a step opens them again, as /dev/stdout
  for (const stream of [1, 2]) allow("allow output", contents, stream);
  program.call("confine what is written", "landlock_restrict_self", free, 0);
  program.call("confine what is written", "close", free);
}
