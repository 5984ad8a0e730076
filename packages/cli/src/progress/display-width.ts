const WIDE = /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]$/u;
const NOTHING = /^[\p{M}\p{Cf}\p{Cc}]$/u;

/** Columns a character takes in a terminal. */
function widthOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x20 && code < 0x7f) return 1;
  return NOTHING.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
}

/** Cut (with `…`) or padded to exactly `width` columns: a line that wraps would move everything below it. */
export function fit(text: string, width: number): string {
  const characters = Array.from(text);
  let used = 0;
  for (const [at, character] of characters.entries()) {
    const next = used + widthOf(character);
    if (next > width) return cut(characters.slice(0, at), used, width);
    used = next;
  }
  return text + " ".repeat(width - used);
}

function cut(kept: string[], used: number, width: number): string {
  if (width < 1) return "";
  let left = used;
  while (left > width - 1) left -= widthOf(kept.pop() ?? "");
  return `${kept.join("")}…${" ".repeat(width - 1 - left)}`;
}
