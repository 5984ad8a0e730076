import { sha256Hex } from "@varve/archive";
import { type ChainID, digestFromHex, type DiffID } from "@varve/oci";

const encoder = new TextEncoder();

/** The chainID of each stack that starts at the first layer, one per diffID (image-spec config.md, "Layer ChainID"). */
export function chainIDs(diffIDs: readonly DiffID[]): ChainID[] {
  const chain: ChainID[] = [];
  for (const diffID of diffIDs) {
    const below = chain.at(-1);
    const text = below === undefined ? diffID : digestFromHex(sha256Hex(encoder.encode(`${below} ${diffID}`)));
    chain.push(text as string as ChainID);
  }
  return chain;
}
