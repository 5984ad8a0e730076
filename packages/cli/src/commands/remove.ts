import { VarveError } from "@varve/errors";
import { releaseServed } from "@varve/registry";
import { EXIT } from "../exit-code.ts";
import { findByName, shownName, withStore } from "../local-image.ts";
import type { Session } from "../session.ts";

/** `varve rmi NAME…`: names go, blobs stay until they are pruned. Removes all that are there before it reports one that isn't. */
export async function removeCommand(session: Session, images: readonly string[]): Promise<number> {
  const missing: string[] = [];
  await withStore(session, async (store) => {
    for (const image of images) {
      const ref = findByName(await store.refs({ signal: session.signal }), image);
      if (ref !== undefined && (await store.untag(ref.name, { signal: session.signal }))) {
        await releaseServed(store, ref.name, ref.descriptor);
        session.print(`Untagged: ${shownName(ref.name)}\n`);
      } else missing.push(image);
    }
  });
  if (missing.length > 0) {
    throw new VarveError("STORE_REF_NOT_FOUND", `no image ${missing.map((name) => JSON.stringify(name)).join(", ")} in the store`, {
      hint: "varve images lists what is there",
    });
  }
  return EXIT.ok;
}
