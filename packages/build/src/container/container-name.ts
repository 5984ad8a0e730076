import { randomInt } from "node:crypto";

const KINDS = [
  "annual",
  "banded",
  "brittle",
  "calm",
  "deep",
  "dusky",
  "early",
  "fine",
  "grey",
  "laminated",
  "late",
  "muddy",
  "pale",
  "quiet",
  "sandy",
  "silty",
];
const PLACES = [
  "basin",
  "bay",
  "creek",
  "delta",
  "estuary",
  "fjord",
  "glacier",
  "lagoon",
  "lake",
  "marsh",
  "moraine",
  "pond",
  "river",
  "shoal",
  "spring",
  "tarn",
];

/** A name that is easy to say, and not in `taken`. */
export function containerName(taken: ReadonlySet<string>): string {
  for (let attempt = 0; ; attempt++) {
    const name = `${pick(KINDS)}_${pick(PLACES)}${attempt < 10 ? "" : String(randomInt(10_000))}`;
    if (!taken.has(name)) return name;
  }
}

/** What docker takes as `--name`. */
export function isContainerName(name: string): boolean {
  return /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name);
}

function pick(words: readonly string[]): string {
  return words[randomInt(words.length)] ?? "";
}
