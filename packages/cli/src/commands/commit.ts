import { commitContainer } from "@varve/build";
import { EXIT } from "../exit-code.ts";
import type { Session } from "../session.ts";

interface CommitFlags {
  readonly change: readonly string[];
  readonly message?: string;
  readonly author?: string;
}

/** `varve commit CONTAINER [NAME]`: prints the image ID. */
export async function commitCommand(session: Session, container: string, tag: string | undefined, flags: CommitFlags): Promise<number> {
  const { imageID } = await commitContainer({
    container,
    changes: flags.change,
    home: session.home,
    signal: session.signal,
    ...(tag === undefined ? {} : { tag }),
    ...(flags.message === undefined ? {} : { message: flags.message }),
    ...(flags.author === undefined ? {} : { author: flags.author }),
  });
  session.print(`${imageID}\n`);
  return EXIT.ok;
}
