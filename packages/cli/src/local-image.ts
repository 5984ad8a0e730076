import { VarveError } from "@varve/errors";
import { type Image, openImage } from "@varve/image";
import { type Descriptor, familiarReference, formatReference, parseReference, tryParseReference } from "@varve/oci";
import { openStore, type Ref, type Store } from "@varve/store";
import type { Session } from "./session.ts";

/** Opens the session's store for the length of `use`. */
export async function withStore<T>(session: Session, use: (store: Store) => Promise<T>): Promise<T> {
  const store = await openStore({ root: session.home, signal: session.signal });
  try {
    return await use(store);
  } finally {
    await store[Symbol.asyncDispose]();
  }
}

/** As {@link withStore}, and nothing is pruned meanwhile: for what reads or makes more than one thing. */
export async function withLeasedStore<T>(session: Session, use: (store: Store) => Promise<T>): Promise<T> {
  return withStore(session, async (store) => {
    await using _lease = await store.lease({ signal: session.signal });
    return await use(store);
  });
}

/** An image of the store and the name it was found by. */
export interface LocalImage {
  /** As stored, in full. */
  readonly name: string;
  /** Of the manifest or index. */
  readonly descriptor: Descriptor;
}

/** Finds an image by name, or by the start (4 hex digits or more) of its ID or manifest digest. Throws STORE_REF_NOT_FOUND. */
export async function findLocalImage(store: Store, text: string, signal: AbortSignal): Promise<LocalImage> {
  const refs = await store.refs({ signal });
  const hex = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(text)?.[1];
  const named = text.startsWith("sha256:") ? undefined : findByName(refs, text);
  if (named !== undefined) return named;
  if (hex !== undefined) {
    for (const ref of refs) {
      if (ref.descriptor.digest.startsWith(`sha256:${hex}`)) return ref;
      const image = await openImage(store, ref.descriptor, { signal }).catch(() => undefined);
      if (image?.configDigest.startsWith(`sha256:${hex}`) === true) return ref;
    }
  }
  throw new VarveError("STORE_REF_NOT_FOUND", `no image ${JSON.stringify(text)} in the store`, {
    hint: `varve images lists what is there; varve pull ${text.startsWith("sha256:") ? "NAME" : text} fetches it`,
  });
}

/** Finds what a name stands for: as another program wrote it, else as a reference. Throws OCI_INVALID_REFERENCE. */
export function findByName(refs: readonly Ref[], text: string): Ref | undefined {
  return refs.find((ref) => ref.name === text) ?? refs.find((ref) => ref.name === formatReference(parseReference(text)));
}

/** Opens an image of the store; of an index, the one for this machine. */
export async function openLocalImage(store: Store, text: string, signal: AbortSignal): Promise<Image & { readonly name: string }> {
  const { name, descriptor } = await findLocalImage(store, text, signal);
  return { ...(await openImage(store, descriptor, { signal })), name };
}

/** How a stored name is shown: Docker's short form. What another program wrote into `index.json` may be no reference: it stays as it is. */
export function shownName(name: string): string {
  const reference = tryParseReference(name);
  return reference === undefined ? name : familiarReference(reference);
}
