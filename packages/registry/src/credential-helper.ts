import { spawn } from "node:child_process";
import { access, constants } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { VarveError } from "@varve/errors";
import type { Credentials } from "./client.ts";
import type { Environment } from "./proxy.ts";

const OUTPUT_LIMIT = 64 * 1024;
/** The user name that says that the secret is an identity token. */
const TOKEN_USER = "<token>";

/** What a helper is asked. */
export interface HelperQuestion {
  /** `docker-credential-<helper>` is run. */
  readonly helper: string;
  /** The key credentials are stored under. */
  readonly server: string;
  readonly env: Environment;
  readonly signal?: AbortSignal | undefined;
}

/** Runs `docker-credential-<helper> get`; `undefined` when it knows nothing of the server. Throws REGISTRY_CREDENTIALS when it fails. */
export async function askCredentialHelper(question: HelperQuestion): Promise<Credentials | undefined> {
  const name = `docker-credential-${question.helper}`;
  const program = await findProgram(name, question.env);
  if (program === undefined) {
    throw new VarveError("REGISTRY_CREDENTIALS", `the credential helper ${name} is not in PATH`, {
      hint: "install it, or remove it from docker's config.json",
    });
  }
  const { code, output } = await run(program, question);
  if (code !== 0) {
    // every helper says it in these words; there is no code for it
    if (/credentials not found|no credentials server URL/i.test(output)) return undefined;
    throw new VarveError("REGISTRY_CREDENTIALS", `${name} failed for ${question.server}`, {
      details: [output.trim().slice(0, 300)],
      hint: `run it by hand: echo ${question.server} | ${name} get`,
    });
  }
  return parseAnswer(output, name);
}

function parseAnswer(output: string, name: string): Credentials | undefined {
  let answer: unknown;
  try {
    answer = JSON.parse(output);
  } catch {
    // no cause: it would quote a secret
    throw new VarveError("REGISTRY_CREDENTIALS", `${name} did not answer in JSON`);
  }
  const username = textOf(answer, "Username");
  const secret = textOf(answer, "Secret");
  if (username === TOKEN_USER) return { kind: "identity-token", token: secret };
  return username === "" && secret === "" ? undefined : { kind: "basic", username, password: secret };
}

function textOf(answer: unknown, key: string): string {
  const value: unknown = typeof answer === "object" && answer !== null ? Reflect.get(answer, key) : undefined;
  return typeof value === "string" ? value : "";
}

/** Absolute folders of PATH only: the working directory may be somebody else's. */
async function findProgram(name: string, env: Environment): Promise<string | undefined> {
  if (!/^[A-Za-z0-9._-]+$/.test(name)) return undefined;
  for (const folder of (env["PATH"] ?? "").split(":")) {
    if (!isAbsolute(folder)) continue;
    const path = join(folder, name);
    const runs = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (runs) return path;
  }
  return undefined;
}

function run(program: string, { server, env, signal }: HelperQuestion): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    // a group of its own, so that what it starts ends with it
    const child = spawn(program, ["get"], { env: { ...env }, stdio: ["pipe", "pipe", "ignore"], detached: true });
    const stop = (): void => {
      child.stdout.destroy();
      if (child.pid !== undefined && child.exitCode === null) killGroup(child.pid);
    };
    signal?.addEventListener("abort", stop, { once: true });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.length > OUTPUT_LIMIT) stop();
    });
    child.once("error", (cause) => reject(new VarveError("REGISTRY_CREDENTIALS", `cannot run ${program}`, { cause })));
    child.once("close", (code) => {
      signal?.removeEventListener("abort", stop);
      if (signal?.aborted === true) reject(signal.reason instanceof Error ? signal.reason : new Error("aborted", { cause: signal.reason }));
      else resolve({ code, output });
    });
    // a helper that ends without reading is judged by its exit code
    child.stdin.on("error", () => {});
    child.stdin.end(server);
  });
}

function killGroup(leader: number): void {
  try {
    process.kill(-leader, "SIGKILL");
  } catch {
    // it has ended meanwhile
  }
}
