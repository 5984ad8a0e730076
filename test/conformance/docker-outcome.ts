import { displayPath } from "@varve/bytes";
import { type Image, imageTree } from "@varve/image";
import type { Store } from "@varve/store";
import { describeOutcome } from "./golden-outcome.ts";

/** Written another way since: values of ARG, EXPOSE, HEALTHCHECK; and what only Docker has. */
const OLD_FORMS = /^(config OnBuild null|empty (EXPOSE|HEALTHCHECK|ARG) )/;
/** Not in its history: flags of COPY and ADD, build arguments that a stage has from another. */
const OLD_FLAGS = /^(layer (?:COPY|ADD|RUN))(?: --\S+| \|\d+(?: [A-Z]=\S*)*)*/;

/** What {@link describeForDocker} is told. */
export interface DockerOutcomeOptions {
  readonly base: Image;
  /** Whether a time (seconds since the epoch) is none of the build itself. */
  readonly isTimed: (mtime: number) => boolean;
}

/** Lines to compare an image by with one of the BuildKit in Debian's Docker (0.8): what that writes in another way than later ones is left out. */
export async function describeForDocker(store: Store, image: Image, { base, isTimed }: DockerOutcomeOptions): Promise<readonly string[]> {
  const { listing, config, history } = await describeOutcome(store, image, base);
  const times: string[] = [];
  for (const { path, mtime, type } of (await imageTree(store, image)).walk()) {
    if (isTimed(mtime)) times.push(`time of ${type} ${displayPath(path)} ${mtime}`);
  }
  const lines = [...listing, ...config, ...history.map((line) => line.replace(OLD_FLAGS, "$1")), ...times];
  return lines
    .filter((line) => !OLD_FORMS.test(line))
    .map((line) => line.replace(/^config Healthcheck (.*)$/, (_, json: string) => `config ${sortKeys(json)}`));
}

function sortKeys(json: string): string {
  return JSON.stringify(Object.entries(JSON.parse(json) as object).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}
