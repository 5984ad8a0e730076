import { stat } from "node:fs/promises";
import { join } from "node:path";
import { explainPath, isContextURL, surveyContext, type SurveyOptions } from "@varve/context";
import { VarveError } from "@varve/errors";
import { EXIT } from "../exit-code.ts";
import type { Session } from "../session.ts";
import { surveyJson, surveyText, verdictJson, verdictText } from "./context-report.ts";

/** What commander gives for `varve context ls`. */
export interface ContextListFlags {
  readonly file?: string;
  readonly why?: string;
  readonly all?: boolean;
  readonly json?: boolean;
}

/** `varve context ls [PATH]`: what a build would be given of a directory, and which line of an ignore file decided. */
export async function contextListCommand(session: Session, path: string, flags: ContextListFlags): Promise<number> {
  if (path === "-" || isContextURL(path))
    throw new VarveError("CLI_USAGE", `varve context ls ${path}: only directories can be listed`, { hint: "ignore files apply to directories alone" });
  const options: SurveyOptions = { path, dockerfile: flags.file ?? (await defaultDockerfile(path)), hidden: [session.home], signal: session.signal };
  if (flags.why !== undefined) {
    const verdict = await explainPath(flags.why, options);
    session.print(flags.json === true ? verdictJson(verdict) : verdictText(verdict, path));
    return EXIT.ok;
  }
  const survey = await surveyContext(options);
  session.print(flags.json === true ? surveyJson(survey) : surveyText(survey, path, flags.all === true));
  return EXIT.ok;
}

/** The Dockerfile that `varve build PATH` would take; a directory without one has a context all the same. */
async function defaultDockerfile(path: string): Promise<string | undefined> {
  for (const name of ["Dockerfile", "dockerfile"]) {
    const file = join(path, name);
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined) return file;
  }
  return undefined;
}
