import { isVarveError } from "@varve/errors";
import { openImage } from "@varve/image";
import { type Descriptor, tryParseReference } from "@varve/oci";
import { isServedName } from "@varve/registry";
import type { Store } from "@varve/store";
import { EXIT } from "../exit-code.ts";
import { shownName, withStore } from "../local-image.ts";
import { formatAge, formatBytes } from "../options/quantities.ts";
import type { Session } from "../session.ts";
import { renderTable } from "../table.ts";

interface Listed {
  readonly name: string;
  readonly digest: string;
  /** Config digest; of what can't be opened as an image, its own. */
  readonly id: string;
  readonly created: string | undefined;
  /** Bytes of the compressed layers. */
  readonly size: number;
}

/** `varve images`. */
export async function imagesCommand(session: Session, flags: { readonly quiet?: boolean; readonly json?: boolean }): Promise<number> {
  const { signal } = session;
  const listed = await withStore(session, async (store) => {
    const out: Listed[] = [];
    for (const { name, descriptor } of await store.refs({ signal })) {
      if (isServedName(name)) continue;
      out.push({ name, digest: descriptor.digest, ...(await describe(store, descriptor, signal)) });
    }
    return out;
  });
  if (flags.json === true) session.print(`${JSON.stringify(listed, undefined, 2)}\n`);
  else if (flags.quiet === true) session.print([...new Set(listed.map((image) => `${shortID(image.id)}\n`))].join(""));
  else {
    const now = Date.now();
    const rows = listed.map((image) => {
      const tag = tryParseReference(image.name)?.tag;
      const short = shownName(image.name);
      const created = image.created === undefined ? "N/A" : formatAge(Date.parse(image.created), now);
      return [tag === undefined ? short : short.replace(new RegExp(`:${tag}$`), ""), tag ?? "<none>", shortID(image.id), created, formatBytes(image.size)];
    });
    session.print(renderTable([["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"], ...rows]));
  }
  return EXIT.ok;
}

/** What is no image (a signature, a chart), or none for this machine, is listed all the same. */
async function describe(store: Store, descriptor: Descriptor, signal: AbortSignal): Promise<Pick<Listed, "id" | "created" | "size">> {
  try {
    const image = await openImage(store, descriptor, { signal });
    const size = image.layers.reduce((sum, layer) => sum + layer.descriptor.size, 0);
    return { id: image.configDigest, created: image.config.created, size };
  } catch (error) {
    if (!isVarveError(error, "IMAGE_NOT_AN_IMAGE", "IMAGE_UNSUPPORTED_LAYER", "OCI_NO_MATCHING_PLATFORM", "STORE_BLOB_NOT_FOUND")) throw error;
    return { id: descriptor.digest, created: undefined, size: descriptor.size };
  }
}

function shortID(id: string): string {
  return id.slice("sha256:".length, "sha256:".length + 12);
}
