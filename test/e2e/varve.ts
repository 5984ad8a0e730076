import { spawn } from "node:child_process";
import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The built program; `test/build-program.ts` builds it before any test. */
export const VARVE: string = fileURLToPath(new URL("../../packages/cli/bin/varve.js", import.meta.url));

/** How a process ended. */
export interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs. */
export interface StartedProgram {
  readonly pid: number;
  kill(signal: NodeJS.Signals): boolean;
  /** Settles once stderr holds `text`; rejects when the program ends before. */
  told(text: string): Promise<void>;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Uint8Array;
  /** Called once the process has started; awaited with its end. */
  readonly onStart?: (child: StartedProgram) => unknown;
}

/** Runs a program to its end; never throws for an exit code. */
export async function runProgram(program: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  child.stdin.on("error", () => {});
  child.stdin.end(options.input ?? "");
  const told = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      child.stderr.on("data", () => stderr.includes(text) && resolve());
      child.once("close", () => reject(new Error(`ended without saying ${JSON.stringify(text)}: ${stderr}`)));
    });
  const ended = new Promise<Outcome>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  await options.onStart?.({ pid: child.pid ?? 0, kill: (signal) => child.kill(signal), told });
  return await ended;
}

/** A folder of a test's own, with a store in it. */
export interface Workspace extends AsyncDisposable {
  readonly root: string;
  readonly home: string;
  /** `varve ARGS` on this workspace's store. */
  varve(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** As `varve`, but an exit code other than 0 is an error that shows what was printed. */
  ok(args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** Writes files (path → text), making folders; returns the folder. A key that ends in `/` makes a folder. */
  files(folder: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string>;
}

/** Makes a {@link Workspace}. */
export async function createWorkspace(): Promise<Workspace> {
  const root = await mkdtemp(join(tmpdir(), "varve-e2e-"));
  const home = join(root, "home");
  const varve = (args: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
    runProgram(process.env["VARVE_TEST_NODE"] ?? process.execPath, [VARVE, ...args], {
      cwd: root,
      ...options,
      env: { VARVE_HOME: home, DOCKER_CONFIG: join(root, "docker"), NO_COLOR: "1", ...options.env },
    });
  return {
    root,
    home,
    varve,
    async ok(args, options) {
      const outcome = await varve(args, options);
      if (outcome.code !== 0) throw new Error(`varve ${args.join(" ")} ended with ${outcome.code ?? outcome.signal}\n${outcome.stderr}${outcome.stdout}`);
      return outcome;
    },
    async files(folder, files) {
      for (const [path, content] of Object.entries(files)) {
        const target = join(root, folder, path);
        if (path.endsWith("/")) await mkdir(target, { recursive: true });
        else {
          await mkdir(dirname(target), { recursive: true });
          await writeFile(target, content);
        }
      }
      return join(root, folder);
    },
    async [Symbol.asyncDispose]() {
      await rm(root, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

/** Fills a folder with busybox-static's root filesystem, every applet a symlink: the base most tests stand on. */
export async function makeBusyboxRoot(root: string): Promise<void> {
  for (const folder of ["bin", "sbin", "usr/bin", "usr/sbin", "etc", "dev", "proc", "sys", "root", "home", "var", "run", "tmp", "lib"]) {
    await mkdir(join(root, folder), { recursive: true });
  }
  await chmod(join(root, "tmp"), 0o1777);
  await chmod(join(root, "root"), 0o700);
  await cp("/bin/busybox", join(root, "bin/busybox"));
  await chmod(join(root, "bin/busybox"), 0o755);
  for (const applet of execFileSync("/bin/busybox", ["--list-full"], { encoding: "utf8" }).trim().split("\n")) {
    if (applet === "bin/busybox") continue;
    await mkdir(dirname(join(root, applet)), { recursive: true });
    await symlink("/bin/busybox", join(root, applet));
  }
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\nnogroup:x:65534:\n");
}
