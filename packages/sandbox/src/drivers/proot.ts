import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { constants } from "node:os";
import type { BytePath } from "@varve/bytes";
import { VarveError } from "@varve/errors";
import { hasCapability } from "../capability.ts";
import type { Place, SandboxDriver } from "../driver.ts";
import { requireHostTool } from "../host-tool.ts";
import { landlockVersion } from "../landlock.ts";
import { launcherExecutable } from "../launcher/executable.ts";
import { launch, type LaunchStdio, type Launched } from "../launcher/launcher.ts";
import { createProgram, LAUNCHER_FAILED } from "../launcher/program.ts";
import { runProgram } from "../launcher/program-runner.ts";
import { reportData } from "../launcher/report.ts";
import { launcherArch } from "../launcher/system-call.ts";
import { findProotLoaders } from "../proot-loader.ts";
import { INNER_LAUNCHER, INNER_PROGRAM, lentPlaces, prootPrograms } from "../proot-program.ts";
import type { SandboxProcess } from "../sandbox-process.ts";
import { endWithProcess, superviseProgram } from "../supervise.ts";
import { refuseMountOnDev, refuseNamespaces } from "../unsupported.ts";
import { NO_WORLD } from "../world.ts";

/**
 * The rung `proot`: no privilege at all, only ptrace and the program proot. Its guests see another root directory, and ids that are not
 * theirs, by having their system calls rewritten.
 */
export const prootDriver: SandboxDriver = {
  name: "proot",
  snapshot: "flat",
  isolation: "none",
  entries() {
    prootPath();
    return [{ description: "with ptrace", program: (argv, env) => superviseProgram(launcherArch(), argv, env) }];
  },
  async probe(launcher, directory) {
    const landlock = await landlockVersion(launcher);
    const clone3 = await allowsClone3(launcher);
    const trial = `${directory}/proot`;
    // a place that is not there has proot make a directory in /tmp
    for (const path of ["", "/root", "/root/dev", "/root/dev/pts", "/root/proc", "/root/sys"]) mkdirSync(`${trial}${path}`);
    for (const place of lentPlaces(existsSync)) if (!existsSync(`${trial}/root${place}`)) writeFileSync(`${trial}/root${place}`, "");
    try {
      // the first guest, and what it executes, have names that are nowhere but inside; nothing to read makes a launcher fail
      writeFileSync(`${trial}/root/guest`, launcherExecutable(launcherArch()), { mode: 0o755 });
      const step = { ...TRIAL, root: Buffer.from(`${trial}/root`, "utf8").toString("latin1") as BytePath };
      const { report } = await startProot({ launcher, landlock }, step, ["ignore", "ignore", "ignore"], true).ended;
      if (report.failure !== undefined) throw new VarveError("SANDBOX_UNAVAILABLE", `cannot ${report.failure.label} (${report.failure.code})`);
      if (report.status !== LAUNCHER_FAILED << 8) {
        throw new VarveError("SANDBOX_UNAVAILABLE", "proot cannot run programs", { hint: "it needs ptrace, and a data directory that is not mounted noexec" });
      }
    } finally {
      rmSync(trial, { recursive: true, force: true });
    }
    return { ...NO_WORLD, proc: true, sysfs: true, filters: true, ids: "one", landlock, clone3, fileCapabilities: hasCapability(CAP_SETFCAP) };
  },
  start(step, { place, stdio, foreground }) {
    refuseNamespaces(step, "proot");
    refuseMountOnDev(step, "proot");
    return startProot(place, step, stdio, !foreground);
  },
  losses: ({ landlock = 0, fileCapabilities, clone3 = false }) => [
    `all files belong to one user while the step runs: owners${fileCapabilities ? "" : " and file capabilities"} it sets are not kept, devices are not made, supplementary groups are missing`,
    landlock > 0
      ? "the step sees the processes and can read the files of the container it runs in; sizes of tmpfs and /dev/shm are not limited, renamed files may change their modes"
      : "nothing but translated paths keeps the step from the container it runs in: read-only mounts can be written to, sizes of tmpfs and /dev/shm are not limited, renamed files may change their modes",
    ...(clone3 && launcherArch() === "x64" ? [] : ["a program that has started another by posix_spawn, system or popen may crash when it wants more memory"]),
  ],
};

/** Whether the place lets clone3 through: Docker's default seccomp profile tells programs that there is none. */
async function allowsClone3(launcher: string): Promise<boolean> {
  const program = createProgram(launcherArch());
  const result = program.buffer(8);
  program.call({ label: "ask for clone3", onError: "ignore", result }, "clone3", 0, 0);
  reportData(program, result, 8);
  const { data } = await runProgram(launcher, program.finish());
  return data !== undefined && Number(Buffer.from(data).readBigInt64LE(0)) === -constants.errno.EINVAL;
}

function prootPath(): string {
  return requireHostTool("proot", "proot");
}

function startProot(
  { launcher, landlock = 0 }: Pick<Place, "launcher" | "landlock">,
  step: SandboxProcess,
  stdio: readonly [LaunchStdio, LaunchStdio, LaunchStdio],
  detached: boolean,
): Launched {
  writeFileSync(Buffer.from(`${step.root}/dev/${INNER_LAUNCHER}`, "latin1"), launcherExecutable(launcherArch()), { mode: 0o755, flag: "wx" });
  const loaders = unpackLoaders(step.root.slice(0, step.root.lastIndexOf("/")));
  const { outer, inner } = prootPrograms(step, { proot: prootPath(), hostPlaces: lentPlaces(existsSync), loaders, landlock, arch: launcherArch() });
  const launched = launch({ command: [launcher], program: outer, stdio, descriptors: ["pipe"], detached });
  const input = (launched.child.stdio as readonly unknown[])[INNER_PROGRAM] as Socket;
  // what could not be started has not read it: the report tells
  input.on("error", () => {});
  input.end(inner.bytes);
  return endWithProcess(launched);
}

/** Puts what proot carries in itself into a step's directory (bytes), for proot leaves it behind when it is killed. */
function unpackLoaders(directory: string): { readonly native?: string; readonly bits32?: string } {
  const found = Object.entries(findProotLoaders(readFileSync(prootPath())));
  return Object.fromEntries(
    found.map(([kind, bytes]) => {
      const path = `${directory}/loader-${kind}`;
      writeFileSync(Buffer.from(path, "latin1"), bytes as Uint8Array, { mode: 0o755, flag: "wx" });
      return [kind, path];
    }),
  );
}

/** What setting capabilities of files takes, without which proot says it did. */
const CAP_SETFCAP = 31;

/** Runs the launcher as a guest. */
const TRIAL = {
  args: ["/guest"],
  env: [],
  cwd: "/",
  user: { uid: 0, gid: 0, groups: [] },
  network: "host",
  insecure: false,
  hostname: "",
  terminal: false,
  shmSize: 0,
  ulimits: [],
  mounts: [],
} as const;
