import { formatReference, parseReference } from "@varve/oci";
import { EXIT } from "../exit-code.ts";
import { findLocalImage, withLeasedStore } from "../local-image.ts";
import type { Session } from "../session.ts";

/** `varve tag SOURCE TARGET`. */
export async function tagCommand(session: Session, source: string, target: string): Promise<number> {
  const name = formatReference(parseReference(target));
  await withLeasedStore(session, async (store) => {
    const { descriptor } = await findLocalImage(store, source, session.signal);
    await store.tag(descriptor, name, { signal: session.signal });
  });
  return EXIT.ok;
}
