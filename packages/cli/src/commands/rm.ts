import { openContainers } from "@varve/build";
import { EXIT } from "../exit-code.ts";
import { withStore } from "../local-image.ts";
import type { Session } from "../session.ts";

/** `varve rm CONTAINER…`: prints each name it removed. */
export async function rmCommand(session: Session, names: readonly string[]): Promise<number> {
  await withStore(session, async (store) => {
    const containers = await openContainers(store);
    for (const name of names) {
      await containers.remove(await containers.find(name));
      session.print(`${name}\n`);
    }
  });
  return EXIT.ok;
}
