import { EXIT } from "../exit-code.ts";
import { openLocalImage, withStore } from "../local-image.ts";
import type { Session } from "../session.ts";

/** `varve inspect IMAGE`: the manifest's descriptor, the manifest and the config, as JSON. */
export async function inspectCommand(session: Session, text: string): Promise<number> {
  await withStore(session, async (store) => {
    const image = await openLocalImage(store, text, session.signal);
    const shown = { name: image.name, id: image.configDigest, descriptor: image.descriptor, manifest: image.manifest, config: image.config };
    session.print(`${JSON.stringify(shown, undefined, 2)}\n`);
  });
  return EXIT.ok;
}
