import type { FoundRows } from "@varve/sandbox";

/** Rows that are looked at ahead where two listings differ. */
const AHEAD = 8;

/**
 * Rows of `after` that `before` has not. Listings of one directory come in one order but for what was changed, so they are gone through side by
 * side; what is out of step after all is compared as texts.
 */
export function changedRows(before: FoundRows, after: FoundRows): readonly number[] {
  const gone: number[] = [];
  const come: number[] = [];
  let [old, now] = [0, 0];
  while (old < before.count && now < after.count) {
    if (after.isSame(now, before, old)) {
      old++;
      now++;
      continue;
    }
    const [oldStep, nowStep] = stepToSame(before, after, { old, now });
    for (let i = 0; i < oldStep; i++) gone.push(old++);
    for (let i = 0; i < nowStep; i++) come.push(now++);
  }
  while (old < before.count) gone.push(old++);
  while (now < after.count) come.push(now++);
  if (gone.length === 0) return come;
  const texts = new Set(gone.map((row) => before.text(row)));
  return come.filter((row) => !texts.has(after.text(row)));
}

/** How far to go on in each, so that the rows there are the same: one is changed, or some are new, or gone. */
function stepToSame(before: FoundRows, after: FoundRows, { old, now }: { readonly old: number; readonly now: number }): readonly [number, number] {
  for (let step = 1; step <= AHEAD; step++) {
    for (const [oldStep, nowStep] of [
      [step, step],
      [0, step],
      [step, 0],
    ] as const) {
      const isInside = old + oldStep < before.count && now + nowStep < after.count;
      if (isInside && after.isSame(now + nowStep, before, old + oldStep)) return [oldStep, nowStep];
    }
  }
  return [1, 1];
}
