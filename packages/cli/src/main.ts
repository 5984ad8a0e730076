import { createRedactor, isVarveError, renderDiagnostic, VarveError, visibleText } from "@varve/errors";
import { CommanderError } from "commander";
import { EXIT, exitCodeOf } from "./exit-code.ts";
import { createProgram } from "./program.ts";
import { defaultHome, type Session } from "./session.ts";

const redactor = createRedactor();
const abort = new AbortController();
const session: Session = {
  signal: abort.signal,
  env: process.env,
  home: defaultHome(process.env),
  insecureRegistries: (process.env["VARVE_INSECURE_REGISTRIES"] ?? "").split(",").filter((host) => host !== ""),
  redactor,
  print: (text) => void process.stdout.write(text),
  say: (text) => void process.stderr.write(typeof text === "string" ? redactor.redact(text) : redactor.redactBytes(text)),
  debug: process.argv.includes("--debug"),
};

/** How long what was begun may take to end after the first signal. */
const GRACE_MS = 5000;
const STOPS = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated, SIGHUP: EXIT.hungUp } as const;
let stopped: keyof typeof STOPS = "SIGINT";
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => {
    // once: stop the children, remove what is unfinished; twice, or when that doesn't end: at once
    if (abort.signal.aborted) return dieOf(name);
    stopped = name;
    setTimeout(() => dieOf(name), GRACE_MS).unref();
    abort.abort(new VarveError("BUILD_CANCELLED", `stopped by ${name}`));
  });
}

/** By the signal itself, which a shell reports as the same code: `process.exit` waits for threads, and one may wait in open(2) for a pipe's other end. */
function dieOf(name: keyof typeof STOPS): void {
  process.removeAllListeners(name);
  process.kill(process.pid, name);
  // process 1 of a container is not ended by a signal of its own
  setTimeout(() => process.exit(STOPS[name]), 100);
}

process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  // `varve … | head` is no reason for a message
  if (error.code === "EPIPE") process.exit(EXIT.brokenPipe);
  session.say(`varve: cannot write to stdout: ${error.message.replace(/^[A-Z]+: (.*), write$/, "$1")}\n`);
  process.exit(EXIT.failed);
});

// a terminal that is gone, a full disk: what is said is lost, what is done goes on, and on SIGHUP is cleaned up
process.stderr.on("error", () => {});

function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : process.argv[2] === "run" ? EXIT.runFailed : EXIT.usage;
  if (abort.signal.aborted) {
    session.say(`varve: ${abort.signal.reason instanceof Error ? abort.signal.reason.message : "stopped"}\n`);
    return STOPS[stopped];
  }
  if (isVarveError(error)) session.say(`varve: ${renderDiagnostic(error, style(), process.stderr.columns)}\n`);
  else session.say(`varve: ${visibleText(error instanceof Error ? error.message : String(error))} (this is a bug of varve; --debug shows where)\n`);
  if (session.debug && error instanceof Error) session.say(`${stackOf(error).split("\n").map(visibleText).join("\n")}\n`);
  return exitCodeOf(error, process.argv[2]);
}

function stackOf(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by: ${stackOf(error.cause)}` : "";
  return `${error.stack ?? error.message}${cause}`;
}

function style(): Parameters<typeof renderDiagnostic>[1] {
  if (!process.stderr.isTTY || (process.env["NO_COLOR"] ?? "") !== "") return undefined;
  const paint =
    (code: number) =>
    (text: string): string =>
      `\u001b[${code}m${text}\u001b[0m`;
  return { error: paint(31), faint: paint(2), hint: paint(36) };
}

async function main(): Promise<void> {
  try {
    process.exitCode = await createProgram(session).run(process.argv.slice(2));
  } catch (error) {
    process.exitCode = report(error);
  }
  // a kept-alive connection or a child that was told to stop must not hold the program; all that was said must be written first, to either
  process.stderr.write("", () => process.stdout.write("", () => process.exit()));
}

void main();
