import { VarveError } from "@varve/errors";
import { copyGraph } from "@varve/image";
import { parseReference } from "@varve/oci";
import { EXIT } from "../exit-code.ts";
import { findLocalImage, shownName, withLeasedStore } from "../local-image.ts";
import { mountCandidates } from "../mount-candidates.ts";
import { openRegistries } from "../registry-access.ts";
import type { Session } from "../session.ts";
import { createTransferLog } from "../transfer-log.ts";

/** `varve push IMAGE`: blobs first, the manifest last, then its digest on stdout. */
export async function pushCommand(
  session: Session,
  text: string,
  flags: { readonly quiet?: boolean; readonly insecureRegistry: readonly string[] },
): Promise<number> {
  const { signal } = session;
  const log = createTransferLog(flags.quiet === true ? () => {} : session.say);
  await using registries = openRegistries(session, flags.insecureRegistry);
  await withLeasedStore(session, async (store) => {
    const { name, descriptor } = await findLocalImage(store, text, signal);
    const reference = parseReference(name);
    if (reference.tag === undefined) throw new VarveError("CLI_USAGE", `${text} has no tag to push`, { hint: `varve tag ${text} NAME:TAG gives it one` });
    const repository = registries.repository(reference);
    if (flags.quiet !== true) session.say(`Pushing ${shownName(name)}\n`);
    const mountFrom = await mountCandidates(store, reference, { signal });
    await copyGraph(store, repository, descriptor, { signal, mountFrom, onProgress: log.onProgress });
    await repository.tag(descriptor, reference.tag, { signal });
    if (flags.quiet !== true) session.say(`Pushed ${log.summary()}\n`);
    session.print(`${descriptor.digest}\n`);
  });
  return EXIT.ok;
}
