import { diagnose } from "@varve/build";
import { EXIT } from "../exit-code.ts";
import { type RungFlags, rungChoice } from "../options/rung.ts";
import type { Session } from "../session.ts";
import { diagnosisText } from "./diagnosis-text.ts";

interface DoctorFlags extends RungFlags {
  readonly file?: string;
  readonly json?: boolean;
}

/** `varve doctor [CONTEXT]`: where RUN works here. The exit code is 1 where it does not, or where a step of the Dockerfile would fail. */
export async function doctorCommand(session: Session, context: string | undefined, flags: DoctorFlags): Promise<number> {
  const diagnosis = await diagnose({
    ...rungChoice(flags, session),
    home: session.home,
    signal: session.signal,
    ...(context === undefined ? {} : { context }),
    ...(flags.file === undefined ? {} : { file: flags.file }),
  });
  session.print(flags.json === true ? `${JSON.stringify(diagnosis, undefined, 2)}\n` : diagnosisText(diagnosis));
  const fails = diagnosis.dockerfile?.steps.some(({ problems }) => problems.some(({ kind }) => kind === "fails")) ?? false;
  return diagnosis.chosen === undefined || fails ? EXIT.failed : EXIT.ok;
}
