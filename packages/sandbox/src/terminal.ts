import { closeSync, constants, openSync } from "node:fs";
import { VarveError } from "@varve/errors";
import { launch, type Launcher } from "./launcher/launcher.ts";
import { createProgram, type ProgramBuilder } from "./launcher/program.ts";
import { reportData } from "./launcher/report.ts";
import { launcherArch } from "./launcher/system-call.ts";

/** A size in characters. */
export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** A pseudo-terminal (pty(7)). Both descriptors are the caller's to close. */
export interface Terminal {
  /** Reads what is shown, writes what is typed; reading fails with EIO once nobody has the other end. */
  readonly master: number;
  /** A process's standard streams. */
  readonly slave: number;
  /** Where the slave is on the host. */
  readonly path: string;
  /** Also tells the process in the foreground, by SIGWINCH. */
  resize(size: TerminalSize): Promise<void>;
}

const TIOCSPTLCK = 0x4004_5431;
const TIOCGPTN = 0x8004_5430;
const TIOCSWINSZ = 0x5414;
/** Where a launcher finds the first of its further descriptors. */
const FIRST = 5;

/** Opens a pseudo-terminal of the host's. Throws SANDBOX_UNAVAILABLE where there are none. `launcher` must stay open as long as it is resized. */
export async function openTerminal(launcher: Launcher): Promise<Terminal> {
  let master: number;
  try {
    master = openSync("/dev/ptmx", constants.O_RDWR | constants.O_NOCTTY);
  } catch (cause) {
    throw new VarveError("SANDBOX_UNAVAILABLE", "no terminal can be made here", { cause, hint: "leave -t out; it needs /dev/ptmx" });
  }
  const control = async (build: (program: ProgramBuilder) => void): Promise<Uint8Array | undefined> => {
    const program = createProgram(launcherArch());
    build(program);
    const { report } = await launch({
      command: [launcher.path],
      program: program.finish(),
      stdio: ["ignore", "ignore", "ignore"],
      descriptors: [master],
    }).ended;
    if (report.failure !== undefined) throw new VarveError("SANDBOX_UNAVAILABLE", `cannot ${report.failure.label}: ${report.failure.code}`);
    return report.data;
  };
  try {
    const number = await control((program) => {
      const found = program.buffer(4);
      program.call("unlock a terminal", "ioctl", FIRST, TIOCSPTLCK, program.data(new Uint8Array(4)));
      program.call("number a terminal", "ioctl", FIRST, TIOCGPTN, found);
      reportData(program, found, 4);
    });
    if (number === undefined) throw new VarveError("SANDBOX_UNAVAILABLE", "a terminal has no number");
    const path = `/dev/pts/${Buffer.from(number).readUInt32LE()}`;
    const slave = openSync(path, constants.O_RDWR | constants.O_NOCTTY);
    return {
      master,
      slave,
      path,
      async resize({ columns, rows }) {
        await control((program) => program.call("resize the terminal", "ioctl", FIRST, TIOCSWINSZ, program.data(sizeBytes(rows, columns))));
      },
    };
  } catch (error) {
    closeSync(master);
    throw error;
  }
}

/** struct winsize: rows, columns, and two sizes in pixels that nobody knows. */
function sizeBytes(rows: number, columns: number): Uint8Array {
  return new Uint8Array(new Uint16Array([rows, columns, 0, 0]).buffer);
}
