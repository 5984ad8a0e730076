/** Replaces every registered secret in a text. One redactor serves everything a process prints. */
export interface Redactor {
  /** Registers a value; values shorter than 4 characters are ignored, since replacing them would shred the text. */
  add(secret: string): void;
  redact(text: string): string;
  /** The same for bytes that may be no text; the given ones when nothing is in them. */
  redactBytes(bytes: Uint8Array): Uint8Array;
}

const MASK = "***";

/** Creates a {@link Redactor}; a secret is also found base64-, URL- and JSON-encoded. */
export function createRedactor(): Redactor {
  const forms = new Set<string>();
  let ordered: string[] = [];
  const replaceForms = (text: string, inBytes: boolean): string => {
    let result = text;
    for (const form of ordered) result = result.replaceAll(inBytes ? latin1(new TextEncoder().encode(form)) : form, MASK);
    return result;
  };
  return {
    add(secret) {
      if (secret.length < 4) return;
      const bytes = new TextEncoder().encode(secret);
      const base64 = btoa(String.fromCharCode(...bytes));
      for (const form of [secret, base64, base64.replace(/=+$/, ""), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) forms.add(form);
      // longest first: a secret that contains another must not leave its rest behind
      ordered = [...forms].toSorted((a, b) => b.length - a.length);
    },
    redact: (text) => replaceForms(text, false),
    redactBytes(bytes) {
      if (ordered.length === 0) return bytes;
      const text = latin1(bytes);
      const result = replaceForms(text, true);
      return result === text ? bytes : Uint8Array.from(result, (character) => character.charCodeAt(0));
    },
  };
}

/** One character a byte. */
function latin1(bytes: Uint8Array): string {
  let text = "";
  // as many arguments as every engine takes
  for (let at = 0; at < bytes.length; at += 8192) text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return text;
}
