import type { ByteStream } from "@varve/bytes";
import { EMPTY_TREE } from "@varve/layer";
import type { DiffID, IOOptions } from "@varve/oci";
import type { Channel } from "./channel/channel.ts";
import type { ClaimParams, ClaimResult, FillParams } from "./helper/helper-call.ts";
import type { StackedLayer } from "./runner.ts";
import { chainNames, type SnapshotStacks, tarOf, treesOf } from "./snapshot-stack.ts";
import { layerWriteStream } from "./unpack/layer-unpack.ts";

/**
 * The stacks of a helper that has flat roots: a step takes the root filesystem that has most of its layers, and what it lacks is merged
 * into it; where there is none, all is unpacked.
 */
export function createFlatStacks(channel: Channel): SnapshotStacks {
  return {
    async prepare({ step, layers, tree }, options = {}) {
      const all = chainNames(layers).map((name) => `flat-${name}`);
      // what a lower one lacks is known only from indexes
      const names = layers.slice(0, -1).every(hasIndex) ? all : all.slice(-1);
      const { index } = (await channel.call("claim", { step, names } satisfies ClaimParams, { signal: options.signal })) as ClaimResult;
      const name = names.at(-1);
      if (name === undefined || index === names.length - 1) return [];
      const below = index < 0 ? EMPTY_TREE : ((await treesOf(layers, tree, options))?.[index] ?? EMPTY_TREE);
      const openTar = (diffID: DiffID, io?: IOOptions): Promise<ByteStream> => tarOf(layers, diffID, io);
      await channel.call("fill", { step, name } satisfies FillParams, { input: layerWriteStream(below, tree, openTar, options), signal: options.signal });
      return [];
    },
    // which there is, is asked each time
    made: () => {},
  };
}

function hasIndex(layer: StackedLayer): boolean {
  return "index" in layer;
}
