import { type BuildOptions, checkFor, type CheckResult } from "@varve/build";
import { EXIT } from "../exit-code.ts";
import { parseAssignments } from "../options/key-values.ts";
import type { Session } from "../session.ts";
import { checkJson, checkText } from "./check-report.ts";

/** What commander gives for `varve lint`. */
export interface LintFlags {
  readonly file?: string;
  readonly format: "text" | "json";
  readonly target?: string;
  readonly buildArg: readonly string[];
}

/** `varve lint [CONTEXT]`: BuildKit's checks, as far as they go without asking a registry for base images. */
export async function lintCommand(session: Session, context: string, flags: LintFlags): Promise<number> {
  const options: BuildOptions = {
    context,
    ...(flags.file === undefined ? {} : { file: flags.file }),
    ...(flags.target === undefined ? {} : { target: flags.target }),
    buildArgs: parseAssignments(flags.buildArg, session.env),
    home: session.home,
    signal: session.signal,
  };
  return reportCheck(session, await checkFor(options, { offline: true }), flags.format);
}

/** Prints what was found. The exit code is 1 when there is anything, as buildx has it. */
export function reportCheck(session: Session, result: CheckResult, format: "text" | "json"): number {
  session.print(format === "json" ? checkJson(result) : checkText(result));
  if (result.unchecked.length > 0)
    session.say(`varve: not looked at everywhere, since base images aren't asked for: ${result.unchecked.join(", ")} (varve build --check asks for them)\n`);
  return result.warnings.length > 0 || result.error !== undefined ? EXIT.failed : EXIT.ok;
}
