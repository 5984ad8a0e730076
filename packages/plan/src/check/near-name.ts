const LONGEST = 200;

/** The nearest name less than three edits away, the first of equals; `undefined` when none is near or it is there exactly. As BuildKit suggests. */
export function nearName(name: string, candidates: Iterable<string>): string | undefined {
  // the distance costs the square of it, and nobody mistypes such a name
  if (name.length > LONGEST) return undefined;
  let found: string | undefined;
  let least = 3;
  for (const candidate of candidates) {
    if (candidate === name) return undefined;
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const edits = countEdits(name, candidate);
    if (edits < least) [found, least] = [candidate, edits];
  }
  return found;
}

/** Levenshtein's distance. */
function countEdits(a: string, b: string): number {
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) row.push(Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    last = row;
  }
  return last[b.length] ?? 0;
}
