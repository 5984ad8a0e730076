import { isSpace } from "./white-space.ts";

/** Collects an expansion's text and, beside it, the words it falls into. */
export interface WordAccumulator {
  /** Text that may split words: plain characters and values of unquoted variables. */
  addText(text: string): void;
  /** Text that never splits: quoted or escaped. An empty one makes no word by itself. */
  addQuoted(text: string): void;
  /** The text, nothing split. */
  text(): string;
  words(): string[];
}

/** Creates a {@link WordAccumulator}; `check` hears the whole length before a text is kept. */
export function createWordAccumulator(check: (length: number) => void): WordAccumulator {
  const all: string[] = [];
  const words: string[] = [];
  let word = "";
  let length = 0;
  const keep = (text: string): void => {
    length += text.length;
    check(length);
    all.push(text);
  };
  return {
    addText(text) {
      keep(text);
      let from = 0;
      for (let at = 0; at < text.length; at++) {
        if (!isSpace(text.charCodeAt(at))) continue;
        word += text.slice(from, at);
        if (word !== "") words.push(word);
        word = "";
        from = at + 1;
      }
      word += text.slice(from);
    },
    addQuoted(text) {
      keep(text);
      word += text;
    },
    text: () => all.join(""),
    words() {
      if (word !== "") words.push(word);
      word = "";
      return words;
    },
  };
}
