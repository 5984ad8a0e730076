import { type Descriptor, type Digest, type GrowingBlob, type IOOptions, parseReference, type Reference } from "@varve/oci";
import type { RegistryClient } from "@varve/registry";
import type { Store } from "@varve/store";
import type { Output } from "../build-options.ts";
import { formOf, mainForm, stepCodec } from "./form.ts";

/** Uploads of layers to where the result will be pushed, each begun when it is compressed, while later steps are carried out. */
export interface EarlyUploads {
  /** Where there is one place it will be pushed to, begins to upload a blob that is still being written. What fails is left to {@link begin}. */
  follow(layer: GrowingBlob): void;
  /**
   * Begins an upload of a blob that is in the store; of a step that was cached, once there is another that wasn't: till then the registry may have all of the
   * image. What fails is tried again, and told, when the image is pushed.
   */
  begin(blob: Descriptor, cached: boolean): void;
  /** Asks where the result will be pushed for what is there, so that the connection is made, and who we are is known, when it is. */
  connect(): void;
  /** What {@link connect} was told that a tag means, if that was a moment ago. */
  tagged(reference: Reference): Promise<Digest | undefined>;
  /** Resolves when none is under way. */
  settled(): Promise<void>;
}

/** What a registry said, and when, milliseconds since the epoch. */
interface Answer {
  readonly digest: Digest;
  readonly time: number;
}

/** Whoever moves a tag meanwhile moves it at the same time as we push, and not after. */
const FRESH_MS = 1000;

function nameOf({ registry, repository }: Pick<Reference, "registry" | "repository">, tag: string): string {
  return `${registry}/${repository}:${tag}`;
}

/**
 * Early uploads for the outputs that push layers as steps make them; for none when there is no such output. A build that fails leaves blobs in the
 * registry that nothing refers to. `epoch` in seconds.
 */
export function createEarlyUploads(
  outputs: readonly Output[],
  { store, registries, epoch }: { readonly store: Store; readonly registries: RegistryClient; readonly epoch: number | undefined },
  io: IOOptions,
): EarlyUploads {
  const made = stepCodec(mainForm(outputs, epoch));
  const names = outputs.flatMap((output) => {
    if (output.type !== "image" || !output.push) return [];
    const form = formOf(output, epoch);
    return !form.estargz && form.latestTime === undefined && form.codec.encoding === made.encoding ? output.names : [];
  });
  // several tags of one repository are one
  const repositories = new Map(
    names
      .map(parseReference)
      .map((reference) => [`${reference.registry}/${reference.repository}`, { repository: registries.repository(reference), tag: reference.tag ?? "latest" }]),
  );
  const uploads: Promise<void>[] = [];
  const growing: Promise<void>[] = [];
  /** By name, as formatted. */
  const answers = new Map<string, Promise<Answer | undefined>>();
  /** Of cached steps; `undefined` since one wasn't. */
  let cachedBlobs: Descriptor[] | undefined = [];
  const begin = (blob: Descriptor): void => {
    for (const { repository } of repositories.values()) {
      const upload = async (): Promise<void> => {
        // it may be one of them
        await Promise.all(growing);
        if (!(await repository.has(blob, io))) await repository.push(blob, () => store.fetch(blob, io), io);
      };
      uploads.push(upload().catch(() => {}));
    }
  };
  return {
    follow(layer) {
      const [target, ...others] = repositories.values();
      // its bytes come once
      if (target !== undefined && others.length === 0) growing.push(target.repository.pushGrowing(layer, io).catch(() => {}));
    },
    begin(blob, cached) {
      if (cached && cachedBlobs !== undefined) {
        cachedBlobs.push(blob);
        return;
      }
      const held = cachedBlobs ?? [];
      cachedBlobs = undefined;
      for (const each of [...held, blob]) begin(each);
    },
    connect() {
      for (const { repository, tag } of repositories.values()) {
        const answer = repository.resolve(tag, io).then(
          ({ digest }) => ({ digest, time: Date.now() }),
          () => undefined,
        );
        answers.set(nameOf(repository, tag), answer);
        uploads.push(answer.then(() => {}));
      }
    },
    async tagged(reference) {
      const answer = await answers.get(nameOf(reference, reference.tag ?? "latest"));
      return answer === undefined || Date.now() - answer.time > FRESH_MS ? undefined : answer.digest;
    },
    async settled() {
      await Promise.all([...growing, ...uploads]);
    },
  };
}
