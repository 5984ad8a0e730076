import { hostPlatform } from "@varve/build";
import { copyGraph, type Image, openImage } from "@varve/image";
import { VarveError } from "@varve/errors";
import { type Descriptor, formatPlatform, formatReference, matchesPlatform, parsePlatform, parseReference } from "@varve/oci";
import { EXIT } from "../exit-code.ts";
import { shownName, withLeasedStore } from "../local-image.ts";
import { openRegistries } from "../registry-access.ts";
import type { Session } from "../session.ts";
import { createTransferLog } from "../transfer-log.ts";

interface PullFlags {
  readonly platform?: string;
  readonly allPlatforms?: boolean;
  readonly quiet?: boolean;
  readonly insecureRegistry: readonly string[];
}

/** `varve pull IMAGE`: the manifest for one platform (or the whole index) into the store, named. */
export async function pullCommand(session: Session, text: string, flags: PullFlags): Promise<number> {
  const { signal } = session;
  const reference = parseReference(text);
  const name = formatReference(reference);
  const platform = flags.platform === undefined ? hostPlatform() : parsePlatform(flags.platform);
  const log = createTransferLog(flags.quiet === true ? () => {} : session.say);
  await using registries = openRegistries(session, flags.insecureRegistry);
  await withLeasedStore(session, async (store) => {
    const repository = registries.repository(reference);
    const resolved = await repository.resolve(reference.digest ?? reference.tag ?? "latest", { signal });
    const root = flags.allPlatforms === true ? resolved : descriptorFor(await openImage(repository, resolved, { platform, signal }), flags.platform);
    await copyGraph(repository, store, root, { signal, onProgress: log.onProgress });
    await store.tag(root, name, { signal });
    session.say(flags.quiet === true ? "" : `Digest: ${root.digest}\n`);
    session.print(`${flags.quiet === true ? name : shownName(name)}\n`);
  });
  return EXIT.ok;
}

/** An image that isn't of an index may be of any platform; one that was asked for by name must be of that. */
function descriptorFor(image: Image, asked: string | undefined): Descriptor {
  if (asked !== undefined && !matchesPlatform(image.config, parsePlatform(asked))) {
    const own = formatPlatform({ os: image.config.os, architecture: image.config.architecture });
    throw new VarveError("OCI_NO_MATCHING_PLATFORM", `the image is for ${own}, not for ${asked}`, { hint: "leave --platform out to pull it all the same" });
  }
  return image.descriptor;
}
