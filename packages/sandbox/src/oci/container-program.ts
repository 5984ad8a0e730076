import { awaitChild } from "../enter-program.ts";
import { createProgram, type Program, type ProgramBuilder } from "../launcher/program.ts";
import { REPORT, reportData, reportWord } from "../launcher/report.ts";
import type { LauncherArch } from "../launcher/system-call.ts";
import { AT_FDCWD, bindMount, MOUNT } from "../mounting.ts";
import type { SandboxProcess } from "../sandbox-process.ts";
import { closeInherited, FREE, SIGCHLD } from "../step-program.ts";
import { mountDev, mountInto, type WorldFeatures } from "../world.ts";

/** A container runtime's call. */
export interface ContainerStart {
  readonly arch: LauncherArch;
  /** Absolute path of runc or crun. */
  readonly runtime: string;
  /** Host path of an empty directory, hidden by memory while the container lives: the bundle, and all the runtime keeps of it. */
  readonly directory: string;
  readonly config: string;
  /** What the launcher does inside, as the container's first program: it is its descriptor 4. */
  readonly inside: Program;
  /** Its devices and mounts are in the root before the runtime starts, which would follow symlinks on the way to them. */
  readonly step: Pick<SandboxProcess, "root" | "insecure" | "shmSize" | "mounts">;
  readonly features: WorldFeatures;
}

/** The report, the program and the launcher itself. */
const PASSED = 3;
/** More than a runtime leaves behind. */
const ORPHANS = 8;
/** Bytes read of what a runtime said. */
const SAID = 4096;

const CLONE_NEWNS = 0x0002_0000;
const CLONE_NEWCGROUP = 0x0200_0000;
const CLONE_NEWPID = 0x2000_0000;
const [PR_SET_PDEATHSIG, SIGKILL] = [1, 9];
const [O_WRONLY_CREATE, O_RDONLY] = [0o101, 0];
const AT_RECURSIVE = 0x8000;

/**
 * Starts a container by a runtime that leaves it behind, in mount and pid namespaces of its own: their first process inherits the container when the runtime
 * has ended, and reports how that ended in the words of wait(2), as without a runtime. When it dies, so does the container, and what the runtime kept of it
 * is memory mounted there. Control groups are read-only, so that the runtime leaves none.
 */
export function containerProgram(start: ContainerStart): Program {
  const program = createProgram(start.arch);
  const path = (name: string): ReturnType<ProgramBuilder["string"]> => program.string(`${start.directory}/${name}`);
  closeInherited(program);
  const parent = program.branch();
  const child = reportWord(program, "child");
  program.call(
    { label: "make namespaces", onPositive: parent, result: child.result },
    "clone",
    CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP | SIGCHLD,
    0,
    0,
    0,
    0,
  );
  program.call("die with the launcher", "prctl", PR_SET_PDEATHSIG, SIGKILL);
  program.call("keep mounts private", "mount", 0, program.string("/"), 0, MOUNT.recursive | MOUNT.private, 0);
  const harmless = MOUNT.nosuid | MOUNT.nodev | MOUNT.noexec;
  program.call("mount /proc", "mount", program.string("proc"), program.string("/proc"), program.string("proc"), harmless, 0);
  showControlGroups(program, harmless);
  program.call(
    "mount memory",
    "mount",
    program.string("tmpfs"),
    program.string(start.directory),
    program.string("tmpfs"),
    harmless,
    program.string("mode=700"),
  );
  writeFile(program, `${start.directory}/config.json`, Buffer.from(start.config));
  writeFile(program, `${start.directory}/program`, start.inside.bytes);
  // as in the rung namespace: nodes that a step makes are data for a layer
  bindMount(program, start.features, start.step.root, start.step.root, start.step.insecure ? 0 : MOUNT.nodev, "mount the root");
  // message queues are of the container's own namespace: the runtime mounts them
  mountDev(program, start.step, { ...start.features, mqueue: false });
  for (const mount of start.step.mounts) mountInto(program, mount, { process: start.step, features: start.features, descriptor: FREE });
  const waits = program.branch();
  program.call({ label: "start the runtime", onPositive: waits }, "clone", SIGCHLD, 0, 0, 0, 0);
  program.call("open the program", "openat", AT_FDCWD, path("program"), O_RDONLY);
  program.call("open the launcher", "openat", AT_FDCWD, program.string("/proc/self/exe"), O_RDONLY);
  const argv = runtimeCommand(start).map((text) => program.string(Buffer.from(text, "utf8").toString("latin1")));
  const env = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"].map((text) => program.string(text));
  program.call(`execute ${start.runtime}`, "execve", argv[0] ?? 0, program.words([...argv, 0]), program.words([...env, 0]));
  program.mark(waits);
  for (const descriptor of [0, 1, 2]) program.call({ label: "close", onError: "ignore" }, "close", descriptor);
  const runtime = reportWord(program, "runtime");
  const status = reportWord(program, "status");
  program.call("wait for the runtime", "wait4", -1, runtime.result, 0, 0);
  // there is none when the runtime failed; processes a runtime started on the way, and left, come before: what is told is how the last one ended
  for (let i = 0; i < ORPHANS; i++) program.call({ label: "wait for the container", onError: "ignore" }, "wait4", -1, status.result, 0, 0);
  const said = program.buffer(SAID);
  program.call({ label: "open the log", onError: "ignore" }, "openat", AT_FDCWD, path("log"), O_RDONLY);
  program.call({ label: "read the log", onError: "ignore" }, "read", 0, said, SAID);
  reportData(program, said, SAID);
  runtime.send();
  status.send();
  program.call("leave", "exit_group", 0);
  program.mark(parent);
  child.send();
  awaitChild(program, { silent: true });
  return program.finish();
}

/**
 * A runtime refuses where it finds no control groups, and some refuse the older kind of them. It is shown the newer kind in a namespace of its own, read-only,
 * whatever the host has; where that can't be mounted, the host's, read-only.
 */
function showControlGroups(program: ProgramBuilder, flags: number): void {
  const place = program.string("/sys/fs/cgroup");
  const attributes = program.words([MOUNT.readonly, 0, 0, 0]);
  program.call({ label: "protect control groups", onError: "ignore" }, "mount_setattr", AT_FDCWD, place, AT_RECURSIVE, attributes, 32);
  const type = program.string("cgroup2");
  program.call({ label: "mount control groups", onError: "ignore" }, "mount", type, place, type, flags | MOUNT.readonly, 0);
}

function runtimeCommand({ runtime, directory }: ContainerStart): string[] {
  const log = ["--log", `${directory}/log`, "--log-format", "json"];
  const groups = runtime.endsWith("/crun") ? ["--cgroup-manager", "disabled"] : ["--rootless", "true"];
  const run = ["run", "--detach", "--bundle", directory, "--preserve-fds", String(PASSED), "varve"];
  return [runtime, "--root", `${directory}/state`, ...log, ...groups, ...run];
}

function writeFile(program: ProgramBuilder, path: string, content: Uint8Array): void {
  program.call(`make ${path}`, "openat", AT_FDCWD, program.string(path), O_WRONLY_CREATE, 0o600);
  program.call(`write ${path}`, "write", REPORT + 1, program.data(content), content.length);
  program.call(`close ${path}`, "close", REPORT + 1);
}
