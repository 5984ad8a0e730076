import { eastAsianWidth } from "get-east-asian-width";

/** Control characters, what turns the direction of text, line separators and what has no width and no place in text of any language. */
// oxlint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200b\u2028-\u202e\u2060-\u2069\ufeff]/g;
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\u0000-\u007f]*$/;

/** A character as a terminal shows it, which may be several of the text. */
export interface Grapheme {
  /** As shown: what a terminal would obey is written out. */
  readonly text: string;
  /** Columns it takes. */
  readonly columns: number;
  /** Where it begins in the text, in UTF-16 units. */
  readonly start: number;
}

/**
 * A text with every character that a terminal obeys instead of showing written out: `\x1b`, `\u202e`. For what is quoted from a Dockerfile, a file
 * name or an image, which must not move the cursor, change colours or feign lines. A tab becomes a blank.
 */
export function visibleText(text: string): string {
  return text.replaceAll("\t", " ").replace(UNSEEN, (character) => {
    const code = character.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16)}`;
  });
}

/** The {@link visibleText} of `text`, character by character. */
export function graphemesOf(text: string): readonly Grapheme[] {
  if (ASCII.test(text)) return Array.from(text, (character, start) => shown(character, start));
  return Array.from(new Intl.Segmenter().segment(text), ({ segment, index }) => shown(segment, index));
}

function shown(written: string, start: number): Grapheme {
  const text = visibleText(written);
  return { text, columns: ASCII.test(text) ? text.length : columnsOfGrapheme(text), start };
}

const MARK = /^\p{Mark}/u;
/** Flags, and what is asked to look like an emoji. */
const PICTURE = /^\p{Regional_Indicator}{2}|\ufe0f/u;

/** What its first character takes: the others of a grapheme are put on it. */
function columnsOfGrapheme(text: string): number {
  if (MARK.test(text)) return 0;
  return PICTURE.test(text) ? 2 : eastAsianWidth(text.codePointAt(0) ?? 0);
}

/** Columns all of them take. */
export function columnsOf(graphemes: readonly Grapheme[]): number {
  return graphemes.reduce((sum, { columns }) => sum + columns, 0);
}
