import type { ByteStream } from "@varve/bytes";
import type { Image, ImageLayer } from "@varve/image";
import type { EventSink, StepEvents } from "../events.ts";

/**
 * An image whose layers tell when they are fetched. Fetching goes on while some other step waits for it, so it has a step of its own: it
 * begins with the first byte and ends when no layer is being fetched; a layer needed later begins another.
 */
export function withPullProgress(image: Image, reference: string, events: EventSink): Image {
  const pull = createPull(reference, events);
  return { ...image, layers: image.layers.map((layer): ImageLayer => ({ ...layer, open: async (io) => pull.follow(layer, await layer.open(io)) })) };
}

interface Pull {
  follow(layer: ImageLayer, stream: ByteStream): ByteStream;
}

function createPull(reference: string, events: EventSink): Pull {
  let step: StepEvents | undefined;
  let active = 0;
  let rounds = 0;
  return {
    async *follow({ descriptor }, stream) {
      step ??= events.step(`pull ${reference} ${++rounds}`, `[internal] pull ${reference}`);
      const own = step;
      active++;
      let current = 0;
      try {
        for await (const piece of stream) {
          yield piece;
          current += piece.length;
          own.progress(descriptor.digest, current, descriptor.size);
        }
      } catch (error) {
        own.failed(error);
        throw error;
      } finally {
        active--;
        if (active === 0) {
          own.done();
          step = undefined;
        }
      }
    },
  };
}
