import { displayPath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { createProgram, type Program } from "./launcher/program.ts";
import { confineWrites, type WritablePlace } from "./landlock.ts";
import { REPORT } from "./launcher/report.ts";
import type { LauncherArch } from "./launcher/system-call.ts";
import type { SandboxProcess } from "./sandbox-process.ts";
import { installFilter, stepFilter } from "./seccomp.ts";
import { closeInherited, enterDirectory, execute, setLimits, takeTerminal } from "./step-program.ts";
import { beginKept, beginReported } from "./supervise.ts";

/** Descriptor of proot's process that the program of the launcher inside is read from. */
export const INNER_PROGRAM = 5;
/** The launcher inside, a name in the step's /dev. */
export const INNER_LAUNCHER = ".varve-launcher";
const PROGRAM_DESCRIPTOR = 4;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_SET_PDEATHSIG = 1;
const SIGKILL = 9;
const F_SETFD = 2;

/** What the host lends to a step, beside what its mounts show. */
const HOST_PLACES = ["/proc", "/sys", "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/pts", "/dev/ptmx"];

/** The programs of one step below proot: one that starts it, one for a launcher that it runs as its first guest. */
export interface ProotPrograms {
  readonly outer: Program;
  readonly inner: Program;
}

/** What {@link prootPrograms} works with. */
export interface ProotOptions {
  /** Absolute path of proot. */
  readonly proot: string;
  /** Places of the host that are there. */
  readonly hostPlaces: readonly string[];
  /** Paths (bytes) of what proot would unpack into /tmp. */
  readonly loaders: { readonly native?: string; readonly bits32?: string };
  /** See {@link ProcessFeatures}. */
  readonly landlock: number;
  readonly arch: LauncherArch;
}

/** Of what the host may lend, what it has. */
export function lentPlaces(exists: (path: string) => boolean): readonly string[] {
  return HOST_PLACES.filter(exists);
}

/**
 * proot translates the paths of what it runs, and pretends ids, by ptrace alone. Calls it does not know are filtered away before it is
 * executed. Its exit code says little (a guest that is killed gives 0), so the launcher inside tells how the step ended.
 */
export function prootPrograms(step: SandboxProcess, options: ProotOptions): ProotPrograms {
  const { arch, proot, loaders, landlock } = options;
  const outer = createProgram(arch);
  closeInherited(outer, INNER_PROGRAM + 1);
  const endKept = beginKept(outer);
  const endReported = beginReported(outer);
  if (step.terminal) takeTerminal(outer);
  setLimits(outer, step);
  outer.call("hand on the inner program", "dup3", INNER_PROGRAM, PROGRAM_DESCRIPTOR, 0);
  outer.call("hand on the inner program", "close", INNER_PROGRAM);
  outer.call("give up new privileges", "prctl", PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (landlock > 0) confineWrites(outer, writablePlaces(step, options), { version: landlock, free: INNER_PROGRAM });
  installFilter(outer, stepFilter(arch, { deny: false, oneId: false, translated: true }));
  // what it says of itself would be among what the step writes
  const argv = [
    "proot",
    "-v",
    "-1",
    "-r",
    step.root,
    "-w",
    "/",
    "-i",
    `${step.user.uid}:${step.user.gid}`,
    ...bindArguments(step, options),
    `/dev/${INNER_LAUNCHER}`,
  ];
  const env = [
    ...(loaders.native === undefined ? [] : [`PROOT_LOADER=${loaders.native}`]),
    ...(loaders.bits32 === undefined ? [] : [`PROOT_LOADER_32=${loaders.bits32}`]),
  ];
  const words = (texts: readonly string[]): ReturnType<typeof outer.words> => outer.words([...texts.map((text) => outer.string(text)), 0]);
  outer.call("execute proot", "execve", outer.string(proot), words(argv), words(env));
  endReported();
  endKept();
  const program = outer.finish();

  const inner = createProgram(arch, program.labels);
  const endInner = beginReported(inner);
  enterDirectory(inner, step.cwd);
  inner.call("close the report on exec", "fcntl", REPORT, F_SETFD, 1);
  inner.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  execute(inner, step);
  endInner();
  const finished = inner.finish();
  return { outer: { bytes: program.bytes, labels: finished.labels }, inner: finished };
}

/** All a step may change: its own files, and devices and its processes' settings where they are the host's. Above all not the names in the host's /dev. */
function writablePlaces(step: SandboxProcess, { hostPlaces, loaders }: ProotOptions): WritablePlace[] {
  const lent = hostPlaces.filter((path) => path !== "/sys").map((path): WritablePlace => ({ path, what: "contents" }));
  const shown = step.mounts.flatMap((mount): WritablePlace[] =>
    mount.kind === "bind" && !mount.readonly ? [{ path: mount.source, what: mount.type === "directory" ? "all" : "contents" }] : [],
  );
  const unpacked: WritablePlace[] = loaders.native === undefined ? [{ path: "/tmp", what: "all" }] : [];
  return [{ path: step.root, what: "all" }, ...unpacked, ...lent, ...shown];
}

function bindArguments(step: SandboxProcess, { hostPlaces }: ProotOptions): string[] {
  const binds = [
    ...hostPlaces.map((place) => [place, place.slice(1)] as const),
    ...step.mounts.flatMap((mount) => (mount.kind === "bind" ? [[mount.source, mount.target] as const] : [])),
  ];
  return binds.flatMap(([source, target]) => {
    if (source.includes(":") || target.includes(":")) {
      throw new VarveError(
        "SANDBOX_UNSUPPORTED",
        `proot cannot show anything at /${displayPath(target as SandboxProcess["root"])}: there is a colon in a path`,
      );
    }
    // the exclamation mark: what the target is in the image is not followed
    return ["-b", `${source}:/${target}!`];
  });
}
