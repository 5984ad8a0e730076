/** Replaces every registered secret in a text. One redactor serves everything a process prints. */
export interface Redactor {
  /** Registers a value; values shorter than 4 characters are ignored, since replacing them would shred the text. */
  add(secret: string): void;
  redact(text: string): string;
}

const MASK = "***";

/** Creates a {@link Redactor}; a secret is also found base64-, URL- and JSON-encoded. */
export function createRedactor(): Redactor {
  const forms = new Set<string>();
  let ordered: string[] = [];
  return {
    add(secret) {
      if (secret.length < 4) return;
      const bytes = new TextEncoder().encode(secret);
      const base64 = btoa(String.fromCharCode(...bytes));
      for (const form of [secret, base64, base64.replace(/=+$/, ""), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)]) forms.add(form);
      // longest first: a secret that contains another must not leave its rest behind
      ordered = [...forms].toSorted((a, b) => b.length - a.length);
    },
    redact(text) {
      let result = text;
      for (const form of ordered) result = result.replaceAll(form, MASK);
      return result;
    },
  };
}
