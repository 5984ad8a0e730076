import type { ForkPipes } from "./launcher/forked.ts";
import type { Launched, LaunchStdio } from "./launcher/launcher.ts";
import type { Program } from "./launcher/program.ts";
import type { ProcessFeatures } from "./step-program.ts";
import type { SandboxProcess } from "./sandbox-process.ts";

/** One way into a rung: where the helper process is started. */
export interface SandboxEntry {
  /** What tells it from the rung's other ways, e.g. `with CAP_SYS_ADMIN`. */
  readonly description: string;
  /** A launcher's program that executes `argv` in the namespaces, as the first process of a pid namespace. */
  program(argv: readonly string[], env: readonly string[]): Program;
  /** What helps when a program of the host that the launcher executes ends with no more than a message. */
  readonly remedy?: string;
  /** Gives ids to the process that the program made and that waits for them; called in the main process. Throws SANDBOX_UNAVAILABLE. */
  admit?(pid: number, signal?: AbortSignal): Promise<void>;
}

/** What a helper found out about its place. */
export interface Place extends ProcessFeatures {
  /** Path of the launcher, see `openLauncher`. */
  readonly launcher: string;
}

/** How a step's process is started. */
export interface StartOptions {
  readonly place: Place;
  readonly stdio: readonly [LaunchStdio, LaunchStdio, LaunchStdio];
  /** Keeps the terminal's session, for `varve run`. */
  readonly foreground: boolean;
}

/** One rung of the ladder. The main process uses `entries`, the helper process inside the first that works uses the rest. */
export interface SandboxDriver {
  readonly name: string;
  /** What keeps a step from the host: namespaces; a root directory it could get out of; nothing at all. */
  readonly isolation: "namespaces" | "root directory" | "none";
  /** How a root filesystem is made for it. */
  readonly snapshot: "overlay" | "flat";
  /** Why another rung serves better here though this one may work, where it is asked for by nobody. */
  passedOver?(): string | undefined;
  /** It can't show mounts: what they show must have been put into the root directory, and a step is started without any. */
  readonly placed?: boolean;
  /** Ways in, strongest first; throws SANDBOX_UNAVAILABLE when something they all need is missing. */
  entries(): readonly SandboxEntry[];
  /** Tries what steps need, in the place of the helper; `directory` is the helper's own. Throws SANDBOX_UNAVAILABLE with what failed. */
  probe(launcher: string, directory: string): Promise<ProcessFeatures>;
  /** Starts a step. All its processes are dead when the launched one has ended. */
  start(step: SandboxProcess, options: StartOptions): Launched;
  /** The program by which a launcher that stays starts a step whose output is captured, in a fraction of the time; see `runForked`. As with `start`, all its processes are dead when it has ended. */
  readonly forked?: (step: SandboxProcess, place: Place, pipes: ForkPipes) => Program;
  /** What this place cannot do as Docker would, one sentence each. */
  losses(features: ProcessFeatures): readonly string[];
}
