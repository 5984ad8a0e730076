/** Replaces every registered secret in a text. One redactor serves everything a process prints. */
export interface Redactor {
  /** Registers a value; values shorter than 4 characters are ignored, since replacing them would shred the text. */
  add(secret: string): void;
  redact(text: string): string;
  /** The same for bytes that may be no text; the given ones when nothing is in them. */
  redactBytes(bytes: Uint8Array): Uint8Array;
  /** For bytes that come in pieces: a secret may lie across two of them. */
  stream(): RedactedStream;
}

/** A stream of bytes with its secrets taken out. */
export interface RedactedStream {
  /** Gives what is sure to be no part of a secret: all but an end that one may begin with. */
  push(piece: Uint8Array): Uint8Array;
  /** Gives what was held back. */
  end(): Uint8Array;
}

const MASK = "***";

/** Creates a {@link Redactor}; a secret is also found base64-, hex-, URL- and JSON-encoded. */
export function createRedactor(): Redactor {
  const forms = new Set<string>();
  let ordered: readonly string[] = [];
  /** The same, one character a byte. */
  let inBytes: readonly string[] = [];
  return {
    add(secret) {
      if (secret.length < 4) return;
      const bytes = new TextEncoder().encode(secret);
      const base64 = btoa(String.fromCharCode(...bytes));
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      const encoded = [base64, base64.replace(/=+$/, ""), hex, hex.toUpperCase(), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
      for (const form of [secret, ...encoded]) forms.add(form);
      // longest first: a secret that contains another must not leave its rest behind
      ordered = [...forms].toSorted((a, b) => b.length - a.length);
      inBytes = ordered.map((form) => latin1(new TextEncoder().encode(form)));
    },
    redact: (text) => mask(text, ordered),
    redactBytes(bytes) {
      if (inBytes.length === 0) return bytes;
      const text = latin1(bytes);
      const result = mask(text, inBytes);
      return result === text ? bytes : fromLatin1(result);
    },
    stream() {
      let held = "";
      return {
        push(piece) {
          if (inBytes.length === 0) return piece;
          const text = mask(held + latin1(piece), inBytes);
          const sure = text.length - longestBeginning(text, inBytes);
          held = text.slice(sure);
          return fromLatin1(text.slice(0, sure));
        },
        end() {
          const rest = fromLatin1(held);
          held = "";
          return rest;
        },
      };
    },
  };
}

function mask(text: string, forms: readonly string[]): string {
  let result = text;
  for (const form of forms) result = result.replaceAll(form, MASK);
  return result;
}

/** How long the longest end of `text` is that one of `forms` begins with. */
function longestBeginning(text: string, forms: readonly string[]): number {
  let longest = 0;
  for (const form of forms) {
    for (let at = Math.max(0, text.length - form.length + 1); at < text.length - longest; at++) {
      at = text.indexOf(form.charAt(0), at);
      if (at < 0 || at >= text.length - longest) break;
      if (form.startsWith(text.slice(at))) longest = text.length - at;
    }
  }
  return longest;
}

function fromLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** One character a byte. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  // as many arguments as every engine takes
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}
