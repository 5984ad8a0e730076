import { type Verification, verifyImage } from "@varve/build";
import { visibleText } from "@varve/errors";
import { EXIT } from "../exit-code.ts";
import { buildInputs, type BuildInputFlags } from "../options/build-inputs.ts";
import { createProgress } from "../progress/progress.ts";
import type { Session } from "../session.ts";

/** What commander gives for `varve verify`. */
export interface VerifyFlags extends BuildInputFlags {
  readonly platform?: string;
  readonly json?: boolean;
}

/** `varve verify IMAGE [CONTEXT]`: builds again, and says whether that is the image, or what differs first. The exit code tells too. */
export async function verifyCommand(session: Session, image: string, context: string, flags: VerifyFlags): Promise<number> {
  const progress = createProgress(flags.progress, session);
  const platform = flags.platform === undefined ? {} : { platform: flags.platform };
  let verification: Verification;
  try {
    verification = await verifyImage({ ...buildInputs(session, context, flags), ...platform, image, onProgress: progress.onProgress });
  } finally {
    progress.close();
  }
  session.print(flags.json === true ? `${JSON.stringify(verification, undefined, 2)}\n` : verificationText(verification));
  return verification.identical ? EXIT.ok : EXIT.different;
}

function verificationText({ identical, sameBlobs, image, rebuilt, difference }: Verification): string {
  if (identical)
    return sameBlobs ? `identical: ${image.digest}\n` : `identical: ${image.imageID} (compressed otherwise: ${image.digest} here, ${rebuilt.digest} again)\n`;
  if (difference === undefined) return `different: ${image.digest}, built again ${rebuilt.digest}\n`;
  const where =
    difference.layer === undefined
      ? "the config"
      : `layer ${difference.layer + 1} of ${difference.layers}${difference.createdBy === undefined ? "" : ` (${difference.createdBy})`}${difference.path === undefined ? "" : `, ${difference.path}`}`;
  const lines = difference.fields.map(({ field, first, second, offset }) => {
    const at = offset === undefined ? "" : ` from byte ${offset} on`;
    return `  ${field}${at}: ${first ?? "nothing"} in the image, ${second ?? "nothing"} when built again\n`;
  });
  const onlyTimes = difference.part === "config" && difference.fields.every(({ field }) => /(?:^|\.)created$/.test(field));
  return `different: ${visibleText(where)}\n${lines.join("")}${onlyTimes ? "only the times of the builds differ: with SOURCE_DATE_EPOCH they would not\n" : ""}`;
}
